"""Where a model can be cut in two so that what learns lies wholly behind the cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import ml_dtypes  # noqa: F401  By it NumPy knows bfloat16.
import numpy as np

from edge_cifar import keras_graph
from edge_cifar.backbones import Model, Tensor
from edge_cifar.training.complexity import multiply_adds


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A tensor that everything from a model's input to its output goes through.

    Attributes:
        name: of the layer or operation that computes it.
        tensor: Keras' symbolic tensor, ``[batch, …]``.
        position: number of the model's operations that are done when it is; cuts of one model are
            passed in this order.
    """

    name: str
    tensor: Tensor
    position: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision that the model computes the tensor in."""
        name: str = keras.backend.standardize_dtype(self.tensor.dtype)
        return np.dtype(name)


def cuts(model: Model) -> Iterator[Cut]:
    """All cuts of a functional model with one input and one output, from the input on.

    Where a residual block or parallel branches are under way there is none: another tensor waits to
    be read. The operations before a cut are computed before it in any topological order, so that one
    pass over one such order finds every cut.
    """
    nodes = list(keras_graph.nodes(model))
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    waiting: Counter[int] = Counter()
    for position, node in enumerate(nodes):
        waiting.subtract(id(tensor) for tensor in node.input_tensors)
        waiting.update({id(tensor): readers[id(tensor)] for tensor in node.output_tensors})
        waiting = +waiting  # Tensors that nobody reads any more, and those that nobody ever does, wait for nothing.
        if len(waiting) == 1 and id(node.output_tensors[0]) in waiting:
            yield Cut(name=node.operation.name, tensor=node.output_tensors[0], position=position)


def last_frozen_cut(model: Model) -> Cut | None:
    """The last cut before anything that changes or is random in training.

    What lies before it gives the same output for the same image in every step: nothing in it learns,
    its batch normalizations run in inference mode, and it holds no dropout.

    Returns:
        None where nothing but the input lies before what learns.
    """
    first = next((position for position, node in enumerate(keras_graph.nodes(model)) if _changes(node.operation)), None)
    frozen = [cut for cut in cuts(model) if cut.position > 0 and (first is None or cut.position < first)]
    return frozen[-1] if frozen else None


def between(model: Model, start: Cut | None, end: Cut | None) -> Model:
    """The part of a model from one cut to another, of the very same layers.

    Args:
        model: functional, with one input and one output.
        start: where the part begins; None for the model's input.
        end: where it ends; None for the model's output.
    """
    inputs = model.inputs[0] if start is None else start.tensor
    part = keras.Model(inputs, model.outputs[0] if end is None else end.tensor, name=model.name)
    part.dtype_policy = model.dtype_policy
    return part


def cost(model: Model, start: Cut | None, end: Cut | None) -> int:
    """Multiply-adds for one image from one cut to another."""
    return _cost_before(model, end) - (_cost_before(model, start) if start else 0)


def _cost_before(model: Model, cut: Cut | None) -> int:
    return multiply_adds(between(model, None, cut))


def _changes(operation: Any) -> bool:
    """Whether an operation learns, follows its batches' statistics, or draws random numbers."""
    parts = getattr(operation, "layers", None)
    if parts is not None:
        return any(_changes(part) for part in parts)
    if isinstance(operation, keras.layers.BatchNormalization):
        return bool(operation.trainable)
    random = any(isinstance(value, keras.random.SeedGenerator) for value in vars(operation).values())
    return random or bool(getattr(operation, "trainable_variables", ()))
