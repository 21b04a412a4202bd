"""Pooling over two spatial axes."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import limits
from edge_cifar.mil.dtypes import Array, count_of
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, Operand, samples_inside, samples_outside
from edge_cifar.mil.ops.windows import Windows, windows_of
from edge_cifar.mil.program import TensorType


def max_pool(inputs: Inputs) -> Kernel:
    """``max_pool``: x ``[B, C, H, W]``; padding never wins."""
    x, windows = _windows(inputs)
    return _kernel(x, windows, partial(_pool, compute=partial(_maximum, windows=windows)), exact=True)


def avg_pool(inputs: Inputs) -> Kernel:
    """``avg_pool``: x ``[B, C, H, W]``; padding counts as zeros unless ``exclude_padding_from_average``."""
    x, windows = _windows(inputs)
    exclude = inputs.flag("exclude_padding_from_average", False)
    counts = _counts(x.shape[2:], windows, within_padding=not exclude)
    return _kernel(x, windows, partial(_pool, compute=partial(_mean, windows=windows, counts=counts)), exact=False)


def _windows(inputs: Inputs) -> tuple[Operand, Windows]:
    x = inputs.floating("x", rank=4)
    kernel = inputs.integers("kernel_sizes", count=2, least=1)
    ceil = inputs.flag("ceil_mode", False)
    windows = windows_of(inputs, x.shape, kernel, ceil=ceil)
    # A window without a single element of the image has no maximum and no mean.
    if any(pad >= size for pad, size in zip(windows.before, windows.kernel, strict=True)):
        raise BundleError(
            f"padding by {list(windows.before)} leaves windows of {list(windows.kernel)} without any input"
        )
    if any(pad >= size for pad, size in zip(windows.after, windows.kernel, strict=True)):
        raise BundleError(
            f"padding by {list(windows.after)} leaves windows of {list(windows.kernel)} without any input"
        )
    return x, windows


def _kernel(x: Operand, windows: Windows, run: partial[Array], *, exact: bool) -> Kernel:
    return Kernel(
        type=TensorType(x.type.element, (*x.shape[:2], *windows.size)),
        run=run,
        exact=exact,
        work=(limits.STEP_WORK + count_of(x.shape[:2]) * count_of(windows.size)) * count_of(windows.kernel),
    )


def _pool(x: Array, *, compute: partial[Array]) -> Array:
    samples, batch, channels, height, width = x.shape
    # To a pooling, the declared batch axis is more channels.
    images = samples_inside(x).reshape(batch * channels, height, width, samples)
    output = compute(images)
    return samples_outside(output.reshape(batch, channels, *output.shape[1:]))


def _maximum(images: Array, *, windows: Windows) -> Array:
    padded = windows.padded(images, -np.inf)
    output = windows.element(padded, 0, 0).copy()
    for row, column in list(np.ndindex(*windows.kernel))[1:]:
        np.maximum(output, windows.element(padded, row, column), out=output)
    return output


def _mean(images: Array, *, windows: Windows, counts: Array) -> Array:
    padded = windows.padded(images, 0.0)
    output = windows.element(padded, 0, 0).copy()
    for row, column in list(np.ndindex(*windows.kernel))[1:]:
        output += windows.element(padded, row, column)
    output /= counts[:, :, None]
    return output


def _counts(image: tuple[int, ...], windows: Windows, *, within_padding: bool) -> Array:
    """How many elements each window averages over: float32 ``[height, width]``.

    The padding that the program asks for may count; what ``ceil_mode`` reaches over beyond it never does.
    """
    counts = []
    for axis in range(2):
        starts = np.arange(windows.size[axis]) * windows.strides[axis] - windows.before[axis]
        low, high = 0, image[axis]
        if within_padding:
            low, high = -windows.before[axis], image[axis] + windows.asked_after[axis]
        ends = np.minimum(starts + windows.kernel[axis], high)
        counts.append(ends - np.maximum(starts, low))
    return np.outer(counts[0], counts[1]).astype(np.float32)


OPS: dict[str, Builder] = {"max_pool": max_pool, "avg_pool": avg_pool}
