"""What a model's own first layers say of the range of pixels that it takes.

A Rescaling by 1/255, a Normalization by ImageNet's mean, or ``preprocess_input`` of ``keras.applications`` written
into the graph make something usual of one range of pixels and nothing usual of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import keras_graph
from edge_cifar.errors import UsageError
from edge_cifar.importing.inputs import NetworkInput
from edge_cifar.preprocessing import Preprocessing, Range

# Ranges that images are given to models in, which are told apart by what the model's first layers make of them.
GIVEN: tuple[Range, ...] = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# What networks are trained on.
_USUAL: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-128.0, 127.0))
_SLACK = 0.02
# Standardized pixels span about four to five standard deviations, means alone leave 255.
_STANDARDIZED_SPANS = ((0.95, 7.0), (250.0, 260.0))
_PROBES = (0.0, 0.5, 1.0, 127.5, 255.0)
_NO_WEIGHTS_OF_ITS_OWN = ("Normalization", "Rescaling")


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What the layers before the first one with weights make of a pixel, channel by channel.

    Attributes:
        slope: what they multiply by, float64 ``[channels]``.
        offset: what they then add, likewise.
        layer: the one that scales, for messages.
    """

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    layer: str

    def of(self, ranges: Sequence[Range]) -> NDArray[np.float64]:
        """Least and largest value of each channel, ``[channels, 2]``, for pixels given in these ranges."""
        ends = np.sort(np.array(ranges, np.float64), axis=1)
        return np.sort(self.slope[:, None] * ends + self.offset[:, None], axis=1)

    @property
    def candidates(self) -> tuple[Range, ...]:
        """The ranges of pixels of which something usual is made; those made into a usual range itself, if any."""
        depth = len(self.slope)
        made = {given: self.of((given,) * depth) for given in GIVEN}
        exact = tuple(given for given, ends in made.items() if _is_usual(ends))
        return exact or tuple(given for given, ends in made.items() if _is_standardized(ends))

    def refuse(self, told: Preprocessing, source: str) -> None:
        """Refuse a range that was told and that the model's own layers contradict.

        Raises:
            UsageError: the layers make nothing usual of it, and something usual of another.
        """
        ranges = told.ranges(len(self.slope))
        if ranges is None or not self.candidates:
            return
        ends = self.of(ranges)
        if not (_is_usual(ends) or _is_standardized(ends)):
            low, high = self.candidates[0]
            raise UsageError(
                f"{told.options.split()[0]} contradicts {source}: its layer {self.layer!r} scales pixels itself, and "
                f"takes them in {low:g} to {high:g}; omit the option"
            )


def stated(keras: Any, copy: Any, taken: NetworkInput) -> Scaling | None:
    """What a network's first layers do to pixels; None where they do nothing, or nothing that tells of a range.

    Args:
        keras: the namespace.
        copy: a flat functional model.
        taken: how it takes an image.
    """
    tensor, layer = _before_weights(copy)
    if tensor is None or layer is None:
        return None
    probe = keras.Model(copy.inputs[0], tensor)
    return of_answers(lambda image: np.asarray(probe(image, training=False)), taken, layer)


def of_answers(ask: Callable[[NDArray[np.float32]], NDArray[Any]], taken: NetworkInput, layer: str) -> Scaling | None:
    """What layers do to pixels, by what they answer to images of one colour; None as for :func:`stated`.

    Args:
        ask: computes the layers of an image ``[1, *taken.shape]``.
        taken: how the network takes an image.
        layer: the one that scales, for messages.
    """
    shape = (1, *taken.shape)
    answers = [_pixel(ask(np.full(shape, value, np.float32)), taken) for value in _PROBES]
    values = np.stack(answers).astype(np.float64)
    slope, offset = (values[-1] - values[0]) / _PROBES[-1], values[0]
    expected = np.array(_PROBES)[:, None] * slope + offset
    affine = np.allclose(values, expected, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(values).max())))
    if not affine or not slope.any() or (np.allclose(slope, 1) and np.allclose(offset, 0)):
        return None
    return Scaling(slope=slope, offset=offset, layer=layer)


def _before_weights(copy: Any) -> tuple[Any | None, str | None]:
    """The tensor that the first layer with weights reads, and the first layer before it that changes values."""
    first: str | None = None
    for node in keras_graph.nodes(copy):
        layer = keras_graph.layer_of(node)
        kind = keras_graph.kind(layer)
        if kind == "InputLayer":
            continue
        if getattr(layer, "weights", ()) and kind not in _NO_WEIGHTS_OF_ITS_OWN:
            return node.input_tensors[0], first
        if first is None and kind not in ("Resizing", "Reshape", "Permute", "Flatten", "ZeroPadding2D", "CenterCrop"):
            first = layer.name
    return None, None


def _pixel(values: NDArray[Any], taken: NetworkInput) -> NDArray[Any]:
    """What became of a pixel in the middle of an image of one colour, where no padding is seen: a number a channel."""
    if values.ndim == 4:
        first = taken.layout == "nchw" and values.shape[1] == taken.depth
        values = np.moveaxis(values, 1, -1) if first else values
        values = values[0, values.shape[1] // 2, values.shape[2] // 2]
    flat = values.reshape(-1)
    return flat[: taken.depth] if len(flat) >= taken.depth else flat[:1].repeat(taken.depth)


def _is_usual(ends: NDArray[np.float64]) -> bool:
    return any(np.allclose(ends, usual, rtol=0, atol=_SLACK * (usual[1] - usual[0])) for usual in _USUAL)


def _is_standardized(ends: NDArray[np.float64]) -> bool:
    spans = ends[:, 1] - ends[:, 0]
    around_zero = bool(np.all(ends[:, 0] <= _SLACK * spans) and np.all(ends[:, 1] >= -_SLACK * spans))
    return around_zero and any(bool(np.all((spans >= least) & (spans <= most))) for least, most in _STANDARDIZED_SPANS)
