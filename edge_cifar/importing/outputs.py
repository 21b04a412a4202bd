"""The one output that a model classifies with, and what makes probabilities of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_cifar import keras_graph
from edge_cifar.errors import ModelError, unknown
from edge_cifar.evaluation import scores

# What is still to be done to an output.
Finish = Literal["none", "softmax", "pair", "sigmoid-pair"]

SAID: Mapping[Finish, str] = {
    "none": "",
    "softmax": "a softmax was added: the model's outputs are scores, not probabilities",
    "pair": "the model's one output p became two probabilities, 1 - p and p",
    "sigmoid-pair": "a sigmoid was added, and its one output p became two probabilities, 1 - p and p",
}

# A score vector has at most these dimensions that are not 1.
_VECTOR = 1


@dataclass(frozen=True, kw_only=True)
class NetworkOutput:
    """A model's output.

    Attributes:
        tensor: Keras' symbolic tensor.
        name: by which it is told from others.
        scores: numbers an image, 1 for a single score.
    """

    tensor: Any
    name: str
    scores: int

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        return scores.classes(self.scores)


def class_output(model: Any, source: str, name: str | None) -> NetworkOutput:
    """The output that a model classifies with.

    Args:
        model: a functional Keras model.
        source: what messages call it.
        name: of the output; None where there is only one.

    Raises:
        UsageError: there is no output of that name.
        ModelError: there are several and none is named, or the output is no vector of scores.
    """
    named = keras_graph.outputs_by_name(model)
    chosen = class_scores({one: tuple(tensor.shape[1:]) for one, tensor in named.items()}, source, name)
    return NetworkOutput(tensor=named[chosen], name=chosen, scores=math.prod(named[chosen].shape[1:]))


def class_scores(shapes: Mapping[str, tuple[int | None, ...]], source: str, name: str | None) -> str:
    """The name of the output that holds the class scores.

    Args:
        shapes: by the name of an output, its shape without the batch; None for a side of any length.
        source, name: as for :func:`class_output`.

    Raises:
        UsageError, ModelError: as :func:`class_output`.
    """
    if name is not None:
        if name not in shapes:
            raise unknown(f"output of {source}", name, shapes)
        chosen = name
    elif len(shapes) == 1:
        chosen = next(iter(shapes))
    else:
        listed = ", ".join(f"{one} {_text(shape)}" for one, shape in shapes.items())
        detects = " that look like a detector's" if any(_is_boxes(shape) for shape in shapes.values()) else ""
        raise ModelError(
            f"{source} has {len(shapes)} outputs{detects} ({listed}); name the class scores with --output-name"
        )
    sides = shapes[chosen]
    if None in sides or sum(side != 1 for side in sides) > _VECTOR:
        kind = "a detector's or a segmentation's" if len(sides) > 1 else "of unknown length"
        raise ModelError(
            f"the output {chosen} of {source} has shape {_text(sides)}, {kind}; only classifiers have one "
            "score for each class"
        )
    return chosen


def finish(activation: str | None, answers: NDArray[np.floating[Any]]) -> Finish:
    """What makes probabilities of an output.

    Args:
        activation: the last one before it, in small letters; None where that is not known.
        answers: ``[N, scores]``, for some images.
    """
    if answers.shape[1] == 1:
        between = bool(answers.min() >= 0 and answers.max() <= 1) if activation is None else activation == "sigmoid"
        return "pair" if between else "sigmoid-pair"
    return "none" if scores.are_probabilities(answers) else "softmax"


def finished(answers: NDArray[np.float32], how: Finish) -> NDArray[np.float32]:
    """Probabilities ``[N, classes]`` of a network's scores ``[N, scores]``."""
    if how == "none":
        return answers
    if how == "softmax":
        return scores.softmax(answers)
    second = answers if how == "pair" else scores.softmax(np.concatenate([np.zeros_like(answers), answers], axis=1))
    second = second[:, -1:]
    return np.concatenate([1 - second, second], axis=1)


def activation(model: Any, tensor: Any) -> str | None:
    """The activation of the layer that an output comes from; None where it has none to speak of."""
    for node in keras_graph.nodes(model):
        if any(one is tensor for one in node.outputs):
            return getattr(getattr(keras_graph.layer_of(node), "activation", None), "__name__", None)
    return None


def _is_boxes(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 2 and shape[-1] == 4


def _text(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if side is None else str(side) for side in shape) + "]"
