"""An artifact's constants held against those of its fp32 sibling: what a precision may change, and no more.

Answers to a few thousand images leave room for a wrong weight that changes few of them. Numbers do not: rounding
moves each by half a step of its own scale at most, so a weight, a scale or a bias that was changed is found
whatever it does to the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.contents import Weight
from edge_cifar.runtimes import Range
from edge_cifar.variant import Variant

Floats = NDArray[np.float64]

# Those whose weights are the fp32 artifact's, rounded.
_ROUNDED = ("fp16", "dynamic", "int8", "int16x8", "w8", "w6", "w4")

# Scales and biases are float32 products of float32 numbers.
_FLOAT32 = 4 * 2.0**-23
# A number, its scale and their product are each rounded to half precision: 11 bits, and nothing below 2**-24.
_FLOAT16 = 3 * 2.0**-11
_SMALLEST_FLOAT16 = 2.0**-24
_LEVELS = 128
# Share of half a step within which a number lies in the middle between two.
_TIE = 1e-3


@dataclass(frozen=True, kw_only=True)
class WeightCheck:
    """What came of comparing constants.

    Attributes:
        sibling: the artifact that was compared with.
        constants: how many tensors were.
        wrong: what is wrong with one of them, in words; None when nothing is.
    """

    sibling: Variant
    constants: int
    wrong: str | None

    def document(self) -> dict[str, Any]:
        """This outcome as JSON."""
        return {"compared_with": str(self.sibling), "constants": self.constants, "proven": self.wrong is None}


def sibling_of(variant: Variant) -> Variant | None:
    """The fp32 variant whose weights a variant's are, but for rounding; None where it has a precision of its own.

    Weights that were pruned or clustered have one that holds the same; training for quantization leaves none.
    """
    if variant.base not in _ROUNDED:
        return None
    return Variant(variant.format, f"fp32-{variant.change}" if variant.change else "fp32")


def check(sibling: Variant, exact: Mapping[str, Weight], given: Mapping[str, Weight]) -> WeightCheck:
    """Compare constants.

    Args:
        sibling: the fp32 artifact's variant.
        exact: its constants.
        given: those of the artifact of another precision.
    """
    exact = _with_pixels_as_they_are(exact, given)
    # Kernels first: a bias is judged by the kernel it belongs to.
    names = sorted(exact, key=lambda name: exact[name].shifts is not None)
    wrong = next((reason for name in names if (reason := _wrong(name, sibling, exact, given))), None)
    return WeightCheck(sibling=sibling, constants=len(exact), wrong=wrong)


def _with_pixels_as_they_are(exact: Mapping[str, Weight], given: Mapping[str, Weight]) -> Mapping[str, Weight]:
    """The fp32 constants as they are where the first kernel holds the factor that pixels are multiplied by.

    Integers need no such multiplication: the kernel has a scale of its own. Where the fp32 artifact multiplies by one
    number more than the other does, it is the pixels' factor. The first kernel is that number times as large, and what
    is added to the pixels before it as much smaller.
    """
    numbers, left = ([name for name in some if name.startswith("MUL of []")] for some in (exact, given))
    kernel = next((name for name, weight in exact.items() if weight.values.ndim == 3), None)
    if len(left) != len(numbers) - 1 or kernel is None:
        return exact
    factor = exact[numbers[0]].values.astype(np.float64)
    changed = {name: weight for name, weight in exact.items() if name not in numbers}
    changed |= {name: exact[behind] for name, behind in pairwise(numbers)}
    changed[kernel] = replace(exact[kernel], values=exact[kernel].values * factor)
    offset = next((name for name in exact if name.startswith(("ADD of []", "SUB of []"))), None)
    if offset:
        changed[offset] = replace(exact[offset], values=exact[offset].values / factor)
    return changed


def _wrong(name: str, sibling: Variant, exact: Mapping[str, Weight], given: Mapping[str, Weight]) -> str | None:
    """What is wrong with one constant, in words."""
    truth, weight = exact[name], given.get(name)
    if weight is None:
        return f"it lacks the constant {name!r} of {sibling}" if _must_be_there(truth, given) else None
    if weight.values.shape != truth.values.shape:
        return f"its constant {name!r} has shape {list(weight.values.shape)}, in {sibling} {list(truth.values.shape)}"
    if weight.shifts and weight.source and (mismatch := _mismatched_step(name, weight, given)):
        return mismatch
    low, high = _allowed(name, exact, given)
    values = weight.values.astype(np.float64)
    # Written so that NaN fails too.
    outside = ~((low <= values) & (values <= high))
    if not outside.any():
        return None
    beyond = np.nan_to_num(np.maximum(low - values, values - high), nan=np.inf)
    place = np.unravel_index(np.argmax(np.where(outside, beyond, -1)), values.shape)
    return (
        f"{np.count_nonzero(outside)} of {values.size} numbers of its constant {name!r} are not those of {sibling}, "
        f"rounded: one is {values[place]:.6g} where {truth.values[place]:.6g} allows "
        f"{low[place]:.6g} to {high[place]:.6g}"
    )


def _must_be_there(truth: Weight, given: Mapping[str, Weight]) -> bool:
    """Whether no precision can do without a constant.

    Kernels stay. Biases do where any of a convolution's does: with activations quantized as they come, they are added
    elsewhere. Others may become part of a quantization, as the bounds of an activation do, or of a convolution.
    """
    if truth.shifts:
        return any(weight.shifts for weight in given.values())
    return bool(sum(side > 1 for side in truth.values.shape) > 1)


def _allowed(name: str, exact: Mapping[str, Weight], given: Mapping[str, Weight]) -> tuple[Floats, Floats]:
    """The smallest and the largest number that each of a constant's may be."""
    truth, weight = exact[name].values.astype(np.float64), given[name]
    if weight.palette is not None:
        return _around(truth, _nearest(truth, weight.palette) + _slack(truth, weight))
    means = weight.input_means
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
    if weight.shifts is None or means is None or weight.shifts not in given:
        return low, high
    least, most = _correction(exact[weight.shifts], given[weight.shifts], means)
    low, high = low + least, high + most
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


def _mismatched_step(name: str, bias: Weight, given: Mapping[str, Weight]) -> str | None:
    """Whether a quantized bias is not added in the unit of the products that it is added to, in words."""
    kernel = given.get(bias.shifts or "")
    if bias.step is None or bias.source is None or kernel is None or kernel.step is None:
        return None
    unit = np.broadcast_to(kernel.step, kernel.values.shape)[:, 0, 0].astype(np.float64) * bias.source.scale
    step = np.broadcast_to(bias.step, bias.values.shape).astype(np.float64)
    if (np.abs(step - unit) <= 1e-3 * unit).all():
        return None
    return f"the scale of its constant {name!r} is not the product of its input's scale and its kernel's"


def _around(centre: Floats, radius: Floats) -> tuple[Floats, Floats]:
    return centre - radius, centre + radius
