"""Resizing of the last two axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array, count_of
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, Operand
from edge_cifar.mil.program import TensorType

Positions = NDArray[np.floating[Any]]
Sampling = Callable[[int, int], Positions]
"""Where, in elements of the input, the elements of the output lie: from their numbers, input first."""


def _half_pixel(size: int, wanted: int) -> Positions:
    return (np.arange(wanted) + 0.5) * (size / wanted) - 0.5


def _from_corner(size: int, wanted: int) -> Positions:
    return np.arange(wanted) * (size / wanted)


def _aligned_corners(size: int, wanted: int) -> Positions:
    return np.arange(wanted) * ((size - 1) / max(1, wanted - 1))


def _aligned_or_centred(size: int, wanted: int) -> Positions:
    return np.array([(size - 1) / 2]) if wanted == 1 else _aligned_corners(size, wanted)


def _offset_corners(size: int, wanted: int) -> Positions:
    return (np.arange(wanted) + 0.5) * (max(1, size - 1) / wanted)


_SAMPLINGS: dict[str, Sampling] = {
    "DEFAULT": _from_corner,
    "STRICT_ALIGN_CORNERS": _aligned_corners,
    "ALIGN_CORNERS": _aligned_or_centred,
    "UNALIGN_CORNERS": _half_pixel,
    "OFFSET_CORNERS": _offset_corners,
}


def upsample_bilinear(inputs: Inputs) -> Kernel:
    """``upsample_bilinear``: the scale is taken from the sizes, once these are known, as MIL says."""
    x, sizes = _scaled(inputs)
    align = inputs.flag("align_corners", True)
    half_pixel = inputs.flag("half_pixel_centers", not align)
    if align and half_pixel:
        raise BundleError("align_corners and half_pixel_centers cannot both be set")
    sampling = _aligned_corners if align else _half_pixel if half_pixel else _from_corner
    return _kernel(x, sizes, partial(_bilinear, sampling=sampling), exact=False)


def resize_bilinear(inputs: Inputs) -> Kernel:
    """``resize_bilinear`` to a given size, in any of its sampling modes."""
    x, sizes = _sized(inputs)
    mode = inputs.choice("sampling_mode", tuple(_SAMPLINGS), "DEFAULT")
    return _kernel(x, sizes, partial(_bilinear, sampling=_SAMPLINGS[mode]), exact=False)


def upsample_nearest_neighbor(inputs: Inputs) -> Kernel:
    """``upsample_nearest_neighbor``: the element at or before each position."""
    x, sizes = _scaled(inputs)
    return _kernel(x, sizes, _nearest, exact=True)


def resize_nearest_neighbor(inputs: Inputs) -> Kernel:
    """``resize_nearest_neighbor`` to a given size: the element at or before each position."""
    x, sizes = _sized(inputs)
    return _kernel(x, sizes, _nearest, exact=True)


def _scaled(inputs: Inputs) -> tuple[Operand, tuple[int, int]]:
    x = _image(inputs)
    scales = inputs.number("scale_factor_height", 1.0), inputs.number("scale_factor_width", 1.0)
    # In single precision, as coremltools infers the shape.
    height, width = (
        np.floor(np.float32(scale) * np.float32(size)) for scale, size in zip(scales, x.shape[-2:], strict=True)
    )
    if not (1 <= height < 1 << 24 and 1 <= width < 1 << 24):
        raise BundleError(f"it scales {list(x.shape)} by {scales[0]} and {scales[1]}")
    return x, (int(height), int(width))


def _sized(inputs: Inputs) -> tuple[Operand, tuple[int, int]]:
    x = _image(inputs)
    return x, (inputs.integer("target_size_height", 1, least=1), inputs.integer("target_size_width", 1, least=1))


def _image(inputs: Inputs) -> Operand:
    x = inputs.floating("x")
    if len(x.shape) < 3 or 0 in x.shape:
        raise BundleError(f"it resizes a tensor of shape {list(x.shape)}, which is not an image")
    return x


def _kernel(
    x: Operand, sizes: tuple[int, int], interpolate: Callable[[Array, int, int], Array], *, exact: bool
) -> Kernel:
    shape = (*x.shape[:-2], *sizes)

    def run(x: Array) -> Array:
        return interpolate(interpolate(x, sizes[0], -2), sizes[1], -1)

    return Kernel(type=TensorType(x.type.element, shape), run=run, exact=exact, work=4 * count_of(shape))


def _bilinear(x: Array, wanted: int, axis: int, *, sampling: Sampling) -> Array:
    last = x.shape[axis] - 1
    positions = np.clip(sampling(x.shape[axis], wanted), 0, last)
    lower = positions.astype(np.int64)
    upper = np.minimum(lower + 1, last)
    share = (positions - lower).astype(np.float32).reshape((-1,) + (1,) * (-axis - 1))
    before = _taken(x, lower, axis)
    return before + (_taken(x, upper, axis) - before) * share


def _nearest(x: Array, wanted: int, axis: int) -> Array:
    return _taken(x, np.arange(wanted) * x.shape[axis] // wanted, axis)


def _taken(x: Array, indices: NDArray[np.int64], axis: int) -> Array:
    # np.take would lay the result out anew; this keeps the samples innermost in memory.
    inside = np.moveaxis(x, 0, -1)
    return np.moveaxis(np.take(inside, indices, axis=axis - 1), -1, 0)


OPS: dict[str, Builder] = {
    "resize_bilinear": resize_bilinear,
    "resize_nearest_neighbor": resize_nearest_neighbor,
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
