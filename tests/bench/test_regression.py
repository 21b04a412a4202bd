"""This result against an earlier one."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar.bench import regression
from edge_cifar.errors import BundleError


def document(**changes: Any) -> dict[str, Any]:
    """A result with one row of 1,000 images, 900 of them right."""
    right = np.arange(1000) >= 100
    row = {
        "model": "toy",
        "variant": "tflite-int8",
        "path": "toy/export/tflite-int8.tflite",
        "status": "ok",
        "reason": None,
        "threads": 1,
        "size_bytes": 1000,
        "data": {"name": "toys", "checksum": "c0ffee", "synthetic": True},
        "accuracy": {"top1": 0.9, "images": 1000, "correct": packed(right)},
        "latency_ms": {"median": 1.0, "low": 0.98, "high": 1.02},
    }
    return {"schema": 1, "results": [{**row, **changes}]}


def packed(right: Any) -> str:
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def accuracy(right: Any) -> dict[str, Any]:
    return {"top1": float(np.mean(right)), "images": len(right), "correct": packed(right)}


def latency(median: float, noise: float) -> dict[str, float]:
    return {"median": median, "low": median * (1 - noise), "high": median * (1 + noise)}


def test_the_same_result_is_no_regression() -> None:
    assert regression.regressions(document(), document(), 10) == []


@pytest.mark.parametrize(
    ("median", "noise", "worse"), [(1.05, 0.01, 0), (1.3, 0.01, 1), (1.13, 0.10, 0), (0.5, 0.0, 0)]
)
def test_latency_is_worse_only_beyond_the_noise(median: float, noise: float, worse: int) -> None:
    found = regression.regressions(document(latency_ms=latency(median, noise)), document(), 10)
    assert len(found) == worse


def test_size_is_worse_by_the_percentage() -> None:
    assert regression.regressions(document(size_bytes=1099), document(), 10) == []
    assert regression.regressions(document(size_bytes=1200), document(), 10) == ["toy tflite-int8 is 20.0 % larger"]


def test_a_small_loss_of_accuracy_is_found_in_pairs_where_two_intervals_would_hide_it() -> None:
    # Eight more are wrong, none became right: 0.8 points, far inside two Wilson intervals of 900 in 1,000.
    right = np.arange(1000) >= 108
    found = regression.regressions(document(accuracy=accuracy(right)), document(), 10)
    assert found == ["toy tflite-int8 lost 0.80 points of accuracy, beyond chance"]


def test_as_many_won_as_lost_is_chance() -> None:
    right = np.roll(np.arange(1000) >= 106, 50)
    assert regression.regressions(document(accuracy=accuracy(right)), document(), 10) == []


def test_other_images_are_compared_without_pairs() -> None:
    other = {"name": "others", "checksum": "f00d", "synthetic": False}
    slightly, greatly = np.arange(1000) >= 108, np.arange(1000) >= 300
    assert regression.regressions(document(accuracy=accuracy(slightly), data=other), document(), 10) == []
    assert len(regression.regressions(document(accuracy=accuracy(greatly), data=other), document(), 10)) == 1


def test_a_row_that_fails_now_is_a_regression_and_a_skipped_one_is_not() -> None:
    failed = document(status="failed", reason="its process crashed")
    assert regression.regressions(failed, document(), 10) == ["toy tflite-int8 failed: its process crashed"]
    both = document()
    both["results"] += document(variant="coreml-fp16", status="skipped")["results"]
    earlier = document()
    earlier["results"] += document(variant="coreml-fp16")["results"]
    assert regression.regressions(both, earlier, 10) == []


def test_results_without_a_common_row_cannot_be_compared() -> None:
    with pytest.raises(BundleError, match="none of what was measured"):
        regression.regressions(document(model="other"), document(), 10)


@pytest.mark.parametrize("missing", ["latency_ms", "size_bytes", "status", "threads", "accuracy"])
def test_a_broken_baseline_is_named(missing: str) -> None:
    broken = copy.deepcopy(document())
    del broken["results"][0][missing]
    with pytest.raises(BundleError, match="baseline is broken"):
        regression.regressions(document(), broken, 10)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2, "results": []}', '{"schema": 1, "results": 3}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(BundleError, match=r"bench\.json"):
        regression.read(path)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(document()))
    assert regression.read(path) == document()
