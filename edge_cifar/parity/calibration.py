"""The ranges that a quantized artifact stores its values in, compared with the ranges on calibration images.

The manifest lists what was seen of each value in floats, not what the converter made of it: so a converter that chose
badly is found, and not only what was changed after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from edge_cifar import formats
from edge_cifar.documents.conversion_record import Seen
from edge_cifar.parity import pairing, ranges
from edge_cifar.parity.ranges import Stored, Value
from edge_cifar.preprocessing import Range
from edge_cifar.readers import Link, Network
from edge_cifar.variant import Variant

IMAGE = "image"
"""What the pixels are called among what was observed."""

# The range of pixels, whether or not the calibration images cover it.
_PIXELS: Range = (0.0, 255.0)
# Operations with a fixed output range: converters use that range.
_FIXED: Mapping[str, Range] = {
    **dict.fromkeys(("SOFTMAX", "LOGISTIC", "Softmax", "Sigmoid", "softmax", "sigmoid"), (0.0, 1.0)),
    **dict.fromkeys(("TANH", "Tanh", "tanh"), (-1.0, 1.0)),
}
# What moves, picks, joins or averages numbers is commonly stored as what it is given, so that nothing has to be
# multiplied; what cuts off is given no more than it leaves.
_COUPLING = frozenset(
    (
        *("AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "MAXIMUM", "MINIMUM", "PACK", "PAD", "PADV2", "RESHAPE"),
        *("MIRROR_PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPLIT", "SQUEEZE", "STRIDED_SLICE"),
        *("GATHER", "RELU", "RELU6", "SPACE_TO_DEPTH", "TRANSPOSE", "UNPACK"),
        *("AveragePool", "Clip", "Concat", "Flatten", "Gather", "MaxPool", "Pad", "Relu"),
        *("Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
        *("avg_pool", "concat", "max_pool", "pad", "relu", "relu6", "reshape", "resize_bilinear"),
        *("resize_nearest_neighbor", "slice_by_index", "slice_by_size", "split", "squeeze", "transpose"),
    )
)
# One step: a zero that is moved to a whole number of steps moves the ends by half of one, and a middle zero leaves one
# half more below it than above.
_STEPS = 1.0
# Share of a range. Core ML's scales are in half precision, and a chain of sums multiplies several: 2**-11 each.
_SHARE = 0.005
# Converters give nearly constant values a range of their own.
_CONSTANT = 1e-3


def seen(variant: Variant, exact: Network, given: Network, observed: Mapping[str, Range]) -> tuple[Seen, ...]:
    """What calibration images showed of each quantized value, in the order of :func:`ranges.stored`.

    Args:
        variant: the artifact's.
        exact: the network in floats that computed the images.
        given: the artifact's.
        observed: by the name of a value of ``exact``, or :data:`IMAGE`, its least and largest number.

    Raises:
        BundleError: the two networks do not compute the same.
    """
    found: dict[object, Seen] = {}
    for one, other in pairing.same_values(Variant(variant.format, "fp32"), exact, given):
        name = IMAGE if one.source is None else exact.operations[one.source].outputs[one.output]
        found.setdefault(other, observed.get(name))
    return tuple(_short(found.get(value.link)) for value in ranges.stored(given))


def wrong_range(variant: Variant, listed: Sequence[Seen], network: Network) -> str | None:
    """Which quantized value's range does not follow from what calibration saw of it, in words; None when all do.

    Args:
        variant: the artifact's.
        listed: the manifest's, as :func:`seen` gave them.
        network: the artifact's.
    """
    given = _in_true_units(variant, network)
    if len(given) != len(listed):
        return f"{len(given)} tensors are quantized; the manifest has calibration ranges for {len(listed)}"
    coupled = _coupled(network)
    ends: dict[Value, list[Range]] = {}
    for value, range_ in zip(given, listed, strict=True):
        ends.setdefault(coupled[value.of], []).extend(_ends(variant, network, value, range_))
    for value, range_ in zip(given, listed, strict=True):
        reason = None if range_ is None else _wrong(value, range_, ends[coupled[value.of]])
        if reason:
            return reason
    return None


def _wrong(value: Stored, range_: Range, ends: Sequence[Range]) -> str | None:
    if all(high - low < _CONSTANT for low, high in ends):
        return None
    slack = _STEPS * value.step + _SHARE * (value.high - value.low)
    # Written so that NaN fails too.
    if any(abs(value.low - low) <= slack for low, _ in ends) and any(
        abs(value.high - high) <= slack for _, high in ends
    ):
        return None
    return (
        f"{value.place} is quantized to the range {value.low:.6g} to {value.high:.6g}; calibration images gave "
        f"{range_[0]:.6g} to {range_[1]:.6g}"
    )


def _ends(variant: Variant, network: Network, value: Stored, range_: Seen) -> Iterator[Range]:
    """The ranges that follow from what was seen; zero is in each of them."""
    source = value.link.source
    fixed = _PIXELS if source is None else _FIXED.get(network.operations[source].kind)
    for low, high in filter(None, (range_, fixed)):
        low, high = min(low, 0.0), max(high, 0.0)
        if _symmetric(variant, low):
            high = max(-low, high)
            low = -high
        yield low, high


def _symmetric(variant: Variant, low: float) -> bool:
    """Whether a converter centers a range on zero."""
    precision = formats.precision_of(variant)
    symmetric = precision.symmetric if precision else None
    return symmetric == "all" or (symmetric == "signed" and low < 0)


def _in_true_units(variant: Variant, network: Network) -> Sequence[Stored]:
    """The quantized values with their ranges in the units of the network in floats.

    coremltools has sums computed in the unit of one of their terms: whole numbers are written in one scale and read in
    another, through sums and activations, until a convolution is given them in their own again.
    """
    given = ranges.stored(network)
    precision = formats.precision_of(variant)
    if precision is None or not precision.shared_units:
        return given
    units: dict[int | None, float] = {None: 1.0}
    for number, operation in enumerate(network.operations):
        unit = _read_in(operation.links[0], units)
        units[number] = 1.0 if abs(unit - 1) < _SHARE else unit
    factors = [units[value.link.source] * value.link.quantizations[0].scale / value.step for value in given]
    return [
        replace(value, low=value.low * factor, high=value.high * factor, step=value.step * factor)
        for value, factor in zip(given, factors, strict=True)
    ]


def _read_in(link: Link, units: Mapping[int | None, float]) -> float:
    """How many true units are one of those that an operation is given a value in."""
    scales = [one.scale for one in link.quantizations if not one.is_float]
    return units[link.source] * (scales[0] / scales[-1] if scales else 1.0)


def _coupled(network: Network) -> dict[Value, Value]:
    """Of each value, the one that stands for all that are commonly stored alike."""
    links = [network.answer, *(link for operation in network.operations for link in operation.links)]
    found = {(link.source, link.output): (link.source, link.output) for link in links}

    def top(value: Value) -> Value:
        while found[value] != value:
            value = found[value]
        return value

    for number, operation in enumerate(network.operations):
        if operation.kind in _COUPLING:
            outputs = [value for value in found if value[0] == number]
            for one, other in pairwise([*((link.source, link.output) for link in operation.links), *outputs]):
                found[top(one)] = top(other)
    return {value: top(value) for value in found}


def _short(range_: Seen) -> Seen:
    if range_ is None or not np.isfinite(range_).all():
        return None
    return ranges.short(range_[0]), ranges.short(range_[1])
