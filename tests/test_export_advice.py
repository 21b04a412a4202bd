"""What ``export`` suggests where variants were rejected."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edge_cifar.errors import CheckFailed
from edge_cifar.steps.export import demand_all


@pytest.mark.parametrize(
    ("variant", "advice"),
    [
        ("tflite-int8", "more --calibration-images, --keep-float auto, a higher precision such as fp16"),
        ("onnx-int8", "more --calibration-images, --keep-float auto, a higher precision such as fp16"),
        ("tflite-int16x8", "more --calibration-images, a higher precision such as fp16"),
        ("coreml-w4", "more --calibration-images, a higher precision such as fp16"),
        ("coreml-w8", "a higher precision such as fp16"),
    ],
)
def test_only_what_can_help_the_rejected_is_suggested(variant: str, advice: str) -> None:
    entry = {"variant": variant, "reason": "it loses 9 points", "parity": {"images": 600}}
    bundle = SimpleNamespace(facts={"rejected": [entry]}, artifacts=())
    with pytest.raises(CheckFailed) as caught:
        demand_all(bundle)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"1 of 1 variants was not kept ({variant}: it loses 9 points); try {advice}, a higher --max-drop"
    )
