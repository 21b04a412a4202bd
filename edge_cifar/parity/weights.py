"""Compare an artifact's constants with its fp32 sibling's: only what the precision explains may differ.

Answers to a few thousand images leave room for a wrong weight that changes few of them. Numbers do not: rounding
moves each by half a step of its own scale at most, so a weight, a scale or a bias that was changed is found
whatever it does to the answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.parity.pairing import Pair
from edge_cifar.pixels import Quantization
from edge_cifar.preprocessing import Range
from edge_cifar.readers import BIAS, KERNEL, Weight
from edge_cifar.variant import Variant

Floats = NDArray[np.float64]
Kernels = tuple[Weight, Weight]
"""A kernel in the fp32 artifact and in the other."""

# Dimensions of a convolution's kernel.
_CONVOLUTION = 3

# Scales and biases are float32 products of float32 numbers.
_FLOAT32 = 4 * 2.0**-23
# A number, its scale and their product are each rounded to half precision: 11 bits, and nothing below 2**-24.
_FLOAT16 = 3 * 2.0**-11
_SMALLEST_FLOAT16 = 2.0**-24
_LEVELS = 128
# Share of what a correction may be, by which the range that a mean lies in may fall short of it.
_MEAN_SLACK = 1e-4
# Share of half a step within which a number lies in the middle between two.
_TIE = 1e-3


def wrong_constant(sibling: Variant, pair: Pair) -> str | None:
    """What is wrong with one of an operation's constants, in words; None when nothing is.

    Args:
        sibling: the fp32 artifact's variant.
        pair: the operation in both artifacts.
    """
    exact, given = pair.exact.weights, pair.given.weights
    # The kernel first: a bias is judged by the kernel that it belongs to.
    for place in sorted(given, key=lambda place: (place != KERNEL, place)):
        weight = given[place]
        # A bias that corrects for rounding may stand where there was none.
        truth = exact[place] if place in exact else Weight(values=np.zeros(weight.values.shape, np.float32))
        kernel = (exact[KERNEL], given[KERNEL]) if place == BIAS and KERNEL in given else None
        if reason := _wrong(f"{place} of {pair.given}", sibling, truth, weight, kernel, pair.source):
            return reason
    return None


def _wrong(
    name: str, sibling: Variant, truth: Weight, weight: Weight, kernel: Kernels | None, source: Quantization | None
) -> str | None:
    if weight.values.shape != truth.values.shape:
        return f"the {name} has shape {list(weight.values.shape)}, in {sibling} {list(truth.values.shape)}"
    if kernel and source and (mismatch := _mismatched_step(name, weight, kernel[1], source)):
        return mismatch
    low, high = _allowed(truth, weight, kernel, source)
    values = weight.values.astype(np.float64)
    # Written so that NaN fails too.
    outside = ~((low <= values) & (values <= high))
    if not outside.any():
        return None
    beyond = np.nan_to_num(np.maximum(low - values, values - high), nan=np.inf)
    place = np.unravel_index(np.argmax(np.where(outside, beyond, -1)), values.shape)
    return (
        f"{np.count_nonzero(outside)} of {values.size} values of the {name} are not {sibling}'s, rounded: "
        f"one is {values[place]:.6g}; {truth.values[place]:.6g} allows {low[place]:.6g} to {high[place]:.6g}"
    )


def _allowed(
    exact: Weight, weight: Weight, kernel: Kernels | None, source: Quantization | None
) -> tuple[Floats, Floats]:
    """The smallest and the largest number that each of a constant's may be."""
    truth = exact.values.astype(np.float64)
    if weight.palette is not None:
        return _around(truth, _nearest(truth, weight.palette) + _slack(truth, weight))
    means = weight.mean_range or (source.real_range() if source else None)
    if weight.step is not None:
        step = np.abs(np.broadcast_to(weight.step, truth.shape).astype(np.float64))
        low, high = _around(truth, step / 2 + _slack(truth, weight))
    elif weight.values.dtype == np.float16:
        rounded = truth.astype(np.float16).astype(np.float64)
        # The ONNX converter keeps what is too small for half precision from becoming 0.
        low, high = _around(rounded, np.where(np.abs(truth) < _SMALLEST_FLOAT16, _SMALLEST_FLOAT16, 0))
        # Those in half precision are corrected only where the file says so.
        means = weight.mean_range
    else:
        low, high = truth, truth
    # Biases of matrices are corrected by none but Core ML, which lists matrices as convolutions of one place.
    if kernel is None or means is None or kernel[0].values.ndim != _CONVOLUTION:
        return low, high
    least, most = _correction(*kernel, means)
    # The range is the file's, rounded to its scale; the mean may lie at its very end.
    spare = _MEAN_SLACK * (most - least)
    low, high = low + least - spare, high + most + spare
    return low - _slack(low, weight), high + _slack(high, weight)


def _slack(truth: Floats, weight: Weight) -> Floats:
    """What rounding the scale, and what is computed with it, may add."""
    if weight.values.dtype == np.float16:
        return np.asarray(_FLOAT16 * np.abs(truth) + _LEVELS * _SMALLEST_FLOAT16)
    return np.asarray(_FLOAT32 * np.abs(truth))


def _nearest(truth: Floats, palette: NDArray[np.floating[Any]]) -> Floats:
    """How far the nearest entry of a table lies from each number."""
    entries = np.unique(palette.astype(np.float64))
    above = (
        np.searchsorted(entries, truth).clip(1, len(entries) - 1) if len(entries) > 1 else np.zeros(truth.shape, int)
    )
    return np.asarray(np.minimum(np.abs(entries[above] - truth), np.abs(entries[above - 1] - truth)))


def _correction(exact: Weight, given: Weight, limits: Range) -> tuple[Floats, Floats]:
    """By how much the bias of a convolution may have been corrected for the rounding of its kernel.

    Rounding takes ``exact - given`` away from each weight. Times the mean of its input that is taken from the
    output's mean, and added to the bias instead. The mean of an input channel lies within ``limits``, such as the range
    that the input was quantized for, which is all that is needed to bound the sum over the channels. A weight that lies
    in the middle between two steps may have been rounded the other way where the correction was computed.
    """
    error = exact.values.astype(np.float64) - given.values.astype(np.float64)
    if given.step is None:
        # Where the correction was computed, the exact weights were half precision's.
        rounding = _slack(exact.values.astype(np.float64), given).sum(axis=2)
        lost = [error.sum(axis=2) - rounding, error.sum(axis=2) + rounding]
    else:
        half = np.abs(np.broadcast_to(given.step, error.shape).astype(np.float64)) / 2
        tied = np.abs(np.abs(error) - half) <= _TIE * half
        lost = [np.where(tied, tie, error).sum(axis=2) for tie in (-half, half)]
    ends = np.stack([part * limit for part in lost for limit in limits])
    return ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)


def _mismatched_step(name: str, bias: Weight, kernel: Weight, source: Quantization) -> str | None:
    """Whether a quantized bias is not added in the unit of the products that it is added to, in words."""
    if bias.step is None or kernel.step is None:
        return None
    steps = np.broadcast_to(kernel.step, kernel.values.shape).reshape(len(kernel.values), -1)
    unit = steps[:, 0].astype(np.float64) * source.scale
    step = np.broadcast_to(bias.step, bias.values.shape).astype(np.float64)
    if (np.abs(step - unit) <= 1e-3 * unit).all():
        return None
    return f"the scale of the {name} is not the product of the input's scale and the kernel's"


def _around(centre: Floats, radius: Floats) -> tuple[Floats, Floats]:
    return centre - radius, centre + radius
