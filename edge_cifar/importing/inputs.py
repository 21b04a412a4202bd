"""The one image that a model takes: its size, channels and layout, by the model's own shape and what is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_cifar import keras_graph
from edge_cifar.errors import ModelError
from edge_cifar.preprocessing import Channels, Layout, Preprocessing

Size = tuple[int, int]

_TEXT = ("Embedding", "TextVectorization", "StringLookup", "IntegerLookup")
# Shorter sides than this are no picture's, but steps of a sequence or numbers of features.
_SMALLEST_SIDE = 4


@dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """How a network takes one image.

    Attributes:
        height: pixels.
        width: pixels.
        channels: which, and in what order.
        layout: order of the dimensions.
        shape: of one image, as the network itself takes it: ``(H, W, C)``, ``(C, H, W)``, ``(H, W)`` or
            ``(H * W * C,)``.
    """

    height: int
    width: int
    channels: Channels
    layout: Layout
    shape: tuple[int, ...]

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.height, self.width

    def with_channels(self, channels: Channels | None) -> NetworkInput:
        """The same with its channels in the order that was told; None keeps them."""
        return replace(self, channels=channels or self.channels)

    @property
    def depth(self) -> int:
        """Number of channels."""
        return 1 if self.channels == "gray" else 3


def image_input(
    model: Any, source: str, *, told: Preprocessing, image_size: Size | None, data_size: Size | None
) -> NetworkInput:
    """How a model takes images.

    Args:
        model: a functional Keras model.
        source: what messages call it.
        told: channels and layout, as far as they are told.
        image_size: height and width that were asked for, for a model that takes any.
        data_size: height and width of the images, where they have one of their own.

    Raises:
        ModelError: it takes no image, or more than one; or what is told contradicts it.
    """
    inputs = list(model.inputs)
    demand_one(sum(len(one.shape) == 4 for one in inputs), [one.name for one in inputs], source)
    tensor = inputs[0]
    shape = tuple(tensor.shape[1:])
    if reader := _text_reader(model):
        raise ModelError(f"{source} takes text (its layer {reader!r} reads the input); only image classifiers do here")
    if "float" not in str(tensor.dtype) and "int" not in str(tensor.dtype):
        raise ModelError(f"{source} takes {tensor.dtype} values of shape {_text(shape)}, which are no image")
    return of_shape(shape, source, told=told, image_size=image_size, data_size=data_size)


def of_shape(
    shape: tuple[int | None, ...], source: str, *, told: Preprocessing, image_size: Size | None, data_size: Size | None
) -> NetworkInput:
    """How a model takes images, by the shape of its input.

    Args:
        shape: of one image, without the batch; None for a side of any length.
        source, told, image_size, data_size: as for :func:`image_input`.

    Raises:
        ModelError: the shape is no image's, or what is told contradicts it.
    """
    if len(shape) in (1, 2):
        found = _without_channels(shape, source, told, image_size or data_size)
    elif len(shape) == 3:
        found = _of_image(shape, source, told, image_size, data_size)
    else:
        raise _no_image(source, shape)
    if image_size is not None and found.size != image_size:
        raise ModelError(
            f"--image-size {_by(image_size)} does not fit {source}, which takes {_by(found.size)} images; omit it"
        )
    return found


def demand_one(pictures: int, names: Sequence[str], source: str) -> None:
    """Refuse a model that takes more than an image.

    Args:
        pictures: how many of its inputs have an image's shape.
        names: of all its inputs.
        source: what messages call it.

    Raises:
        ModelError: it has not one input.
    """
    if len(names) != 1:
        what = f"{pictures} image inputs" if pictures > 1 else f"{len(names)} inputs"
        raise ModelError(f"{source} has {what} ({', '.join(names)}); only classifiers of one image can be exported")


def _text_reader(model: Any) -> str | None:
    """The layer that looks words or tokens up, where there is one."""
    return next((str(layer.name) for layer in keras_graph.layers(model) if keras_graph.kind(layer) in _TEXT), None)


def _of_image(
    shape: tuple[int | None, ...], source: str, told: Preprocessing, image_size: Size | None, data_size: Size | None
) -> NetworkInput:
    layout: Layout = told.layout or ("nchw" if shape[2] not in (1, 3) and shape[0] in (1, 3) else "nhwc")
    (height, width), depth = (shape[:2], shape[2]) if layout == "nhwc" else (shape[1:], shape[0])
    if depth not in (None, 1, 3):
        raise _no_image(source, shape)
    channels = _channels(depth, told, source)
    if height is None or width is None:
        size = image_size or data_size
        if size is None:
            raise ModelError(
                f"{source} takes images of any size; choose one with --image-size, such as --image-size 224"
            )
        height, width = height or size[0], width or size[1]
    count = 1 if channels == "gray" else 3
    shape = (height, width, count) if layout == "nhwc" else (count, height, width)
    return NetworkInput(height=height, width=width, channels=channels, layout=layout, shape=shape)


def _without_channels(
    shape: tuple[int | None, ...], source: str, told: Preprocessing, size: Size | None
) -> NetworkInput:
    """The input of a network that takes rows of grey pixels, or all pixels in one row."""
    sides = tuple(side for side in shape if side is not None)
    if len(sides) < len(shape) or min(sides) < _SMALLEST_SIDE:
        raise _no_image(source, shape)
    if len(sides) == 2:
        height, width = sides
        channels: Channels = _channels(1, told, source)
    else:
        height, width, depth = _unrolled(sides[0], size, source)
        channels = _channels(depth, told, source)
    return NetworkInput(height=height, width=width, channels=channels, layout="nhwc", shape=sides)


def _unrolled(count: int, size: Size | None, source: str) -> tuple[int, int, int]:
    """Height, width and channels of an image whose numbers stand in one row."""
    for depth in (1, 3):
        if size and size[0] * size[1] * depth == count:
            return *size, depth
    for depth in (1, 3):
        side = math.isqrt(count // depth)
        if side * side * depth == count:
            return side, side, depth
    raise ModelError(f"{source} takes rows of {count} numbers, which are no image that is known here")


def _channels(depth: int | None, told: Preprocessing, source: str) -> Channels:
    if depth is None:
        return told.channels or "rgb"
    if told.channels is not None and (told.channels == "gray") != (depth == 1):
        raise ModelError(f"--channels {told.channels} contradicts {source}, which takes {depth} channel(s); omit it")
    return told.channels or ("gray" if depth == 1 else "rgb")


def _no_image(source: str, shape: tuple[int | None, ...]) -> ModelError:
    return ModelError(
        f"{source} takes inputs of shape {_text(shape)}; an image classifier takes [height, width, channels], with 1 "
        "or 3 channels"
    )


def _text(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if side is None else str(side) for side in shape) + "]"


def _by(size: Size) -> str:
    return "×".join(map(str, size))
