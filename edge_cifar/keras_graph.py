"""The graph of a Keras model: its layers in order, what reads what, which batch normalization folds into which layer.

Keras 3 and tf_keras (Keras 2) alike, and so neither is imported: layers are told apart by the names of their classes.
``_nodes_by_depth``, which both have, is the one private attribute of theirs that is touched (docs/dependencies.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")
# Layers with a kernel that artifacts hold, and that quantization rounds.
WEIGHTED = (*CONVOLUTIONS, "Dense")
BATCH_NORMALIZATION = "BatchNormalization"


class Graph:
    """What reads what in one functional model, whatever other models its layers stand in."""

    def __init__(self, model: Any) -> None:
        self._nodes: defaultdict[Any, list[Any]] = defaultdict(list)
        self._readers: defaultdict[Any, list[Any]] = defaultdict(list)
        for node in nodes(model):
            self._nodes[layer_of(node)].append(node)
            for source in node.parent_nodes:
                self._readers[layer_of(source)].append(layer_of(node))

    def nodes(self, layer: Any) -> list[Any]:
        """Keras' nodes of a layer, one for each time that it is called."""
        return self._nodes[layer]

    def sources(self, layer: Any) -> list[Any]:
        """The layers whose outputs a layer reads, in the order of its arguments."""
        return [layer_of(source) for node in self._nodes[layer] for source in node.parent_nodes]

    def readers(self, layer: Any) -> list[Any]:
        """The layers that read a layer's output, each as often as it does."""
        return self._readers[layer]

    def sole_reader(self, layer: Any) -> Any | None:
        """The only layer that reads another's output; None where there are more or none."""
        readers = self._readers[layer]
        return readers[0] if len(readers) == 1 else None

    def folded(self, layer: Any) -> Any | None:
        """The batch normalization that converters fold into a convolution or dense layer; None where there is none.

        It is all that reads the layer's output, and no activation stands between.
        """
        reader = self.sole_reader(layer)
        foldable = kind(layer) in WEIGHTED and _is_linear(layer) and kind(reader) == BATCH_NORMALIZATION
        return reader if foldable else None


def nodes(model: Any) -> Iterator[Any]:
    """Keras' nodes of a functional model, its calls of layers, each behind those whose outputs it reads."""
    by_depth = model._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def kind(layer: Any) -> str:
    """The name of a layer's class."""
    return type(layer).__name__


def weighted(model: Any) -> list[Any]:
    """A model's convolutions and dense layers, in the order in which they are computed."""
    return [layer for layer in model.layers if kind(layer) in WEIGHTED]


def layers(model: Any) -> Iterator[Any]:
    """A model's layers in order, those of models inside it in the place of these."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers(layer)
        else:
            yield layer


def flat(keras: Any, model: Any) -> Any:
    """A functional model that computes the same, the layers of Sequential and nested models in the place of these.

    Args:
        keras: the namespace of Keras 3.
        model: any Keras model; one that is flat already, or has a class of its own, comes back as it is.
    """
    if not _is_graph(keras, model) or not (isinstance(model, keras.Sequential) or _has_nested(keras, model)):
        return model
    names = [layer.name for layer in layers(model)]
    if len(set(names)) < len(names):
        model = _renamed(keras, model)
    while isinstance(model, keras.Sequential) or _has_nested(keras, model):
        if isinstance(model, keras.Sequential):
            inputs = keras.Input(batch_shape=model.input_shape, name=model.inputs[0].name)
            # A model's `call`, unlike calling the model, enters its layers into the graph and not itself.
            model = keras.Model(inputs, model.call(inputs))
        else:
            model = _opened(keras, model)
    # A copy, whose layers have not been called in the graphs that these came from.
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    return fresh


def by_filter(layer: Any, kernel: Weights) -> Weights:
    """A layer's kernel as a matrix, ``[weights of one filter, filters]``.

    Args:
        layer: one of :data:`WEIGHTED`.
        kernel: of the layer: ``[height, width, inputs, filters]``, ``[inputs, filters]``, or, of a depthwise
            convolution, ``[height, width, channels, multiplier]``.
    """
    filters = kernel.shape[-2] * kernel.shape[-1] if kind(layer) == "DepthwiseConv2D" else kernel.shape[-1]
    return kernel.reshape(-1, filters)


def scale_and_shift(batch_normalization: Any) -> tuple[Weights, Weights]:
    """What a batch normalization multiplies by and then adds in inference, float32 ``[channels]`` each."""
    weights = iter(batch_normalization.get_weights())
    gamma = next(weights) if batch_normalization.scale else None
    beta = next(weights) if batch_normalization.center else None
    mean, variance = weights
    scale = 1 / np.sqrt(variance + np.float32(batch_normalization.epsilon))
    if gamma is not None:
        scale = scale * gamma
    shift = -mean * scale
    return scale, shift if beta is None else shift + beta


def layer_of(node: Any) -> Any:
    """The layer, or operation, that a node calls."""
    return node.operation if hasattr(node, "operation") else node.layer


def _is_linear(layer: Any) -> bool:
    return getattr(layer.activation, "__name__", None) == "linear"


def _renamed(keras: Any, model: Any, prefix: str = "") -> Any:
    """A copy in which the names of layers inside models begin with those of the models: two may hold the same names."""

    def copied(layer: Any) -> Any:
        if _is_graph(keras, layer):
            return _renamed(keras, layer, f"{prefix}{layer.name}_")
        return layer.__class__.from_config({**layer.get_config(), "name": f"{prefix}{layer.name}"})

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def _opened(keras: Any, model: Any) -> Any:
    """A functional model with the models directly inside it opened."""

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        return layer.call(*arguments) if _is_graph(keras, layer) else layer(*arguments, **options)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _has_nested(keras: Any, model: Any) -> bool:
    return any(_is_graph(keras, layer) for layer in model.layers)


def _is_graph(keras: Any, layer: Any) -> bool:
    """Whether a layer is a model whose layers make a known graph: not one with a `call` of its own."""
    return isinstance(layer, keras.Model) and (
        isinstance(layer, keras.Sequential) or type(layer).__name__ == "Functional"
    )


def outputs_by_name(model: Any) -> dict[str, Any]:
    """A model's output tensors by name: a dict's keys, or the names of the layers that they come from."""
    # A Sequential model that was never called has `outputs` alone.
    found = getattr(model, "output", None)
    if isinstance(found, Mapping):
        return dict(found)
    names = list(getattr(model, "output_names", None) or [one.name for one in model.outputs])
    if len(set(names)) < len(names):
        names = [f"{name}_{number}" for number, name in enumerate(names)]
    return dict(zip(names, model.outputs, strict=True))
