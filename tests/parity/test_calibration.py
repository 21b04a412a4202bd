"""Ranges in an artifact, held to what calibration images showed."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.documents.conversion_record import Seen
from edge_cifar.parity import calibration
from edge_cifar.pixels import Quantization
from edge_cifar.preprocessing import Range
from edge_cifar.readers import Link, Network, Operation
from edge_cifar.variant import Variant

TFLITE = Variant("tflite", "int8")
WIDE = Variant("tflite", "int16x8")
COREML = Variant("coreml", "int8")


def within(low: float, high: float, dtype: type = np.uint8) -> Quantization:
    """The quantization of a range, its zero moved to a whole number of steps."""
    limits = np.iinfo(dtype)
    scale = (high - low) / (int(limits.max) - int(limits.min))
    return Quantization(dtype=np.dtype(dtype), scale=scale, zero_point=round(limits.min - low / scale))


def chain(*kinds: str, stored: dict[int | None, Quantization]) -> Network:
    """Operations one behind the other, and how the result of each is stored; None is the image."""
    links = [
        Link(source=source, quantizations=(stored[source],) if source in stored else ())
        for source in (None, *range(len(kinds)))
    ]
    operations = tuple(
        Operation(kind=kind, name=f"{kind} {number}", links=(links[number],), outputs=(f"value {number}",))
        for number, kind in enumerate(kinds)
    )
    return Network(operations=operations, answer=links[-1])


def floats(*kinds: str) -> Network:
    return chain(*kinds, stored={})


def judged(
    variant: Variant, kinds: tuple[str, ...], stored: dict[int | None, Quantization], seen: dict[int | None, Range]
) -> str | None:
    observed = {"image" if number is None else f"value {number}": range_ for number, range_ in seen.items()}
    given = chain(*kinds, stored=stored)
    return calibration.wrong_range(variant, calibration.seen(variant, floats(*kinds), given, observed), given)


@pytest.mark.parametrize("seen", [(0.0, 6.0), (-3.7, 6.1), (0.5, 6.0), (-4.0, -1.0)])
def test_a_range_is_what_was_seen_and_zero(seen):
    low, high = min(seen[0], 0), max(seen[1], 0)
    assert judged(TFLITE, ("CONV_2D",), {0: within(low, high)}, {0: seen}) is None
    for other in ((low * 1.1, high * 1.1), (low * 0.9, high * 0.9), (low - 1, high), (low, high + 1)):
        reason = judged(TFLITE, ("CONV_2D",), {0: within(*other)}, {0: seen})
        assert "the output is quantized to the range" in str(reason)
        assert f"calibration images gave {seen[0]:g} to {seen[1]:g}" in str(reason)


def test_a_scale_that_is_no_number_is_wrong():
    stored = Quantization(dtype=np.dtype(np.uint8), scale=float("nan"))
    assert judged(TFLITE, ("CONV_2D",), {0: stored}, {0: (0.0, 6.0)}) is not None


def test_zero_in_the_middle_is_for_those_who_put_it_there():
    middle = within(-6.0, 6.0)
    assert judged(COREML, ("conv",), {0: middle}, {0: (-2.0, 6.0)}) is None
    assert judged(WIDE, ("CONV_2D",), {0: within(-6.0, 6.0, np.int16)}, {0: (0.0, 6.0)}) is None
    assert judged(TFLITE, ("CONV_2D",), {0: middle}, {0: (-2.0, 6.0)}) is not None
    assert judged(COREML, ("conv",), {0: middle}, {0: (0.0, 6.0)}) is not None


def test_what_only_moves_numbers_may_be_stored_as_what_it_is_given_and_no_wider():
    kinds, seen = ("CONV_2D", "AVERAGE_POOL_2D"), {0: (0.0, 6.0), 1: (0.0, 2.0)}
    for high in (2.0, 6.0):
        assert judged(TFLITE, kinds, {0: within(0, 6), 1: within(0, high)}, seen) is None
    assert judged(TFLITE, kinds, {0: within(0, 6), 1: within(0, 8)}, seen) is not None
    # A convolution is no such thing.
    assert judged(TFLITE, ("CONV_2D", "CONV_2D"), {0: within(0, 6), 1: within(0, 6)}, seen) is not None


def test_what_an_operation_can_give_at_most_may_be_its_range():
    for high in (1.0, 255 / 256, 0.7):
        assert judged(TFLITE, ("SOFTMAX",), {0: within(0, high)}, {0: (0.0, 0.7)}) is None
    assert judged(TFLITE, ("SOFTMAX",), {0: within(0, 2.0)}, {0: (0.0, 0.7)}) is not None


def test_pixels_may_reach_to_255_whatever_the_calibration_images_have():
    for high, sound in ((255, True), (249, True), (1, False)):
        stored = {None: within(0, high), 0: within(0, 6)}
        assert (judged(TFLITE, ("CONV_2D",), stored, {None: (4, 249), 0: (0, 6)}) is None) == sound


def test_what_never_was_anything_but_zero_may_have_any_range():
    assert judged(COREML, ("conv",), {0: within(0, 1e-3)}, {0: (0.0, 0.0)}) is None


def test_a_value_that_nobody_looked_at_is_not_held():
    assert judged(TFLITE, ("CONV_2D",), {0: within(0, 6)}, {}) is None


def test_another_number_of_values_is_said():
    given = chain("CONV_2D", stored={0: within(0, 6)})
    listed: list[Seen] = [(0.0, 6.0), (0.0, 6.0)]
    assert "1 tensors are quantized; the manifest has calibration ranges for 2" in str(
        calibration.wrong_range(TFLITE, listed, given)
    )


def test_whole_numbers_that_are_read_in_another_unit_are_coremltools_way_to_add():
    doubled = Link(source=0, quantizations=(within(0, 6), within(0, 12)))
    operation = Operation(kind="conv", name="c", links=(Link(source=None),), outputs=("value 0",))
    given = Network(operations=(operation,), answer=doubled)
    assert calibration.wrong_range(COREML, [(0.0, 6.0), (0.0, 6.0)], given) is None
    assert calibration.wrong_range(COREML, [(0.0, 9.0), (0.0, 9.0)], given) is not None
    assert calibration.wrong_range(TFLITE, [(0.0, 6.0), (0.0, 6.0)], given) is not None
