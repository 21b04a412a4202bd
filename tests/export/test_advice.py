"""What ``export`` suggests where variants were rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.errors import CheckFailed
from edge_cifar.export.advice import advice, demand_all
from edge_cifar.variant import Variant

LESS = "a higher precision such as fp16"
MORE = "more --calibration-images"
DROP = "a higher --max-drop"
WRONG = "another --format or --precision for variants that were converted incorrectly"


def entry(variant: str, *failed: Any) -> Rejection:
    return Rejection(variant=Variant.parse(variant), failed=failed, reason="drops 9 points")


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("tflite-int8", f"{MORE}, --keep-float auto, {LESS}, {DROP}"),
        ("onnx-int8", f"{MORE}, --keep-float auto, {LESS}, {DROP}"),
        ("tflite-int16x8", f"{MORE}, {LESS}, {DROP}"),
        ("coreml-w4", f"{MORE}, {LESS}, {DROP}"),
        ("coreml-w8", f"{LESS}, {DROP}"),
        ("tflite-fp16-pruned90", f"a smaller --prune share, {DROP}"),
        ("coreml-w8-cluster4", f"{LESS}, more --cluster values, {DROP}"),
    ],
)
def test_only_what_can_help_the_variant_is_suggested(variant: str, said: str) -> None:
    bundle = Bundle(path=Path(), model="toy", artifacts=(), rejected=(entry(variant, "accuracy"),))
    with pytest.raises(CheckFailed) as caught:
        demand_all(bundle)
    assert str(caught.value) == f"1 of 1 variants was rejected ({variant}: drops 9 points); try {said}"


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (("parity",), f"{MORE}, --keep-float auto, {LESS}"),
        (("accuracy", "parity"), f"{MORE}, --keep-float auto, {LESS}"),
        (("answers",), WRONG),
        (("contents",), WRONG),
        (("runtime",), "another --format or --precision for variants that do not run here"),
        (("conversion",), "another --format or --precision for variants that failed to convert"),
    ],
)
def test_only_what_can_change_the_failed_check_is_suggested(failed: tuple[str, ...], said: str) -> None:
    assert advice([entry("tflite-int8", *failed)]) == said


def test_no_calibration_helps_a_format_whose_floats_are_wrong() -> None:
    assert advice([entry("onnx-fp32", "parity"), entry("onnx-int8", "accuracy", "parity")]) == WRONG
    both = advice([entry("onnx-fp32", "parity"), entry("tflite-int8", "parity")])
    assert both == f"{MORE}, --keep-float auto, {LESS}, or {WRONG}"


def test_what_helps_one_of_several_is_told_apart_from_what_helps_the_others() -> None:
    """Where a format's floats are wrong, no calibration helps its int8, which for itself would look like a loss."""
    rejected = [entry("onnx-fp32", "answers"), entry("onnx-int8", "parity"), entry("tflite-int8", "parity")]
    assert advice(rejected, about=rejected[1:2]) == WRONG
    assert advice(rejected, about=rejected[2:]) == f"{MORE}, --keep-float auto, {LESS}"
    assert advice(rejected) == f"{MORE}, --keep-float auto, {LESS}, or {WRONG}"
