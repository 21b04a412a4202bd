"""Convolution, by matrix products; depthwise convolution, by shifted sums."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.mil import limits
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, samples_inside, samples_outside
from edge_cifar.mil.ops.windows import Windows, windows_of
from edge_cifar.mil.program import TensorType

_BLOCK_BYTES = 512 << 10
"""Working set of one step of a depthwise convolution: a share of the second-level cache."""

_COLUMNS_BYTES = 8 << 20
"""Size of the unfolded windows that are multiplied at once."""

Weights = NDArray[np.float32]


def conv(inputs: Inputs) -> Kernel:
    """``conv``: x ``[B, C, H, W]``, weight ``[O, C / groups, h, w]``, bias ``[O]``."""
    x = inputs.floating("x", rank=4)
    weight = inputs.constant("weight")
    if weight.ndim != 4 or weight.dtype != np.float32:
        raise BundleError("its weight is not a four-dimensional floating-point tensor")
    batch, channels, *_ = x.shape
    filters, group_channels, *kernel = weight.shape
    groups = inputs.integer("groups", 1, least=1)
    if channels != group_channels * groups or filters % groups or not filters:
        raise BundleError(
            f"a weight of shape {list(weight.shape)} with {groups} group(s) does not match an input of {channels} "
            "channels"
        )
    bias = inputs.constant("bias").astype(np.float32) if inputs.has("bias") else np.zeros(filters, np.float32)
    if bias.size != filters:
        raise BundleError(f"its bias has {bias.size} values for {filters} filters")
    dilations = inputs.integers("dilations", (1, 1), count=2, least=1)
    windows = windows_of(inputs, x.shape, kernel, dilations=dilations)
    shape = (batch, filters, *windows.size)
    compute = _depthwise if group_channels == 1 and groups > 1 else _grouped
    return Kernel(
        type=TensorType(x.type.element, shape),
        run=partial(
            _run, compute=partial(compute, weight=weight, groups=groups, windows=windows), bias=bias.reshape(-1)
        ),
        work=batch * weight.size * windows.size[0] * windows.size[1]
        + limits.STEP_WORK * groups * windows.kernel[0] * windows.kernel[1],
    )


def _run(x: Array, *, compute: partial[None], bias: Weights) -> Array:
    samples, batch, channels, height, width = x.shape
    windows: Windows = compute.keywords["windows"]
    # The declared batch axis joins the samples: to a convolution they are the same.
    images = (
        samples_inside(np.ascontiguousarray(x).reshape(-1, channels, height, width))
        if batch != 1
        else samples_inside(x[:, 0])
    )
    output = np.empty((bias.size, *windows.size, images.shape[-1]), np.float32)
    compute(images, output)
    output += bias[:, None, None, None]
    outside = samples_outside(output)
    return outside.reshape(samples, batch, *outside.shape[1:]) if batch != 1 else outside[:, None]


def _grouped(images: Array, output: Array, *, weight: Weights, groups: int, windows: Windows) -> None:
    """Each group of channels as products of its filters with its unfolded windows."""
    padded = windows.padded(images, 0.0)
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    inputs = np.split(padded, groups)
    outputs = np.split(output, groups)
    for matrix, group, result in zip(filters, inputs, outputs, strict=True):
        if windows.kernel == (1, 1):
            columns = np.ascontiguousarray(windows.element(group, 0, 0)).reshape(group.shape[0], -1)
            np.matmul(matrix, columns, out=result.reshape(len(matrix), -1))
        else:
            _unfolded(matrix, group, result, windows)


def _unfolded(matrix: Weights, group: Array, result: Array, windows: Windows) -> None:
    """One group, some rows of the output at a time, so that the unfolded windows stay small."""
    height, width = windows.size
    channels, samples = group.shape[0], group.shape[-1]
    rows_at_once = max(1, _COLUMNS_BYTES // max(1, 4 * matrix.shape[1] * width * samples))
    for first in range(0, height, rows_at_once):
        last = min(height, first + rows_at_once)
        columns = np.empty((channels, *windows.kernel, last - first, width, samples), np.float32)
        for row, column in np.ndindex(*windows.kernel):
            columns[:, row, column] = windows.element(group, row, column, first, last)
        product = matrix @ columns.reshape(matrix.shape[1], -1)
        result[:, first:last] = product.reshape(len(matrix), last - first, width, samples)


def _depthwise(images: Array, output: Array, *, weight: Weights, groups: int, windows: Windows) -> None:
    """Each channel by itself: a sum of shifted copies, some channels at a time so that they stay in the cache."""
    multiplier = weight.shape[0] // groups
    height, width, samples = images.shape[1:]
    channel_bytes = 4 * samples * (height * width + 2 * multiplier * windows.size[0] * windows.size[1])
    at_once = max(1, _BLOCK_BYTES // max(1, channel_bytes))
    factors = weight.reshape(groups, multiplier, *windows.kernel)
    results = output.reshape(groups, multiplier, *output.shape[1:])
    for first in range(0, groups, at_once):
        channels = slice(first, first + at_once)
        padded = windows.padded(images[channels], 0.0)
        total = results[channels]
        product = np.empty_like(total)
        for index, (row, column) in enumerate(np.ndindex(*windows.kernel)):
            shifted = windows.element(padded, row, column)[:, None]
            factor = factors[channels, :, row, column][:, :, None, None, None]
            np.multiply(shifted, factor, out=product if index else total)
            if index:
                total += product


OPS: dict[str, Builder] = {"conv": conv}
