"""This result against an earlier one."""

from __future__ import annotations

import base64
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar.bench import regression
from edge_cifar.documents.bench_report import BenchReport
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
        "accuracy": accuracy(right),
        "latency_ms": latency(1.0, 0.02),
    }
    return {"kind": "bench", "schema": 2, "results": [{**row, **changes}]}


def packed(right: Any) -> str:
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def accuracy(right: Any) -> dict[str, Any]:
    share = float(np.mean(right))
    return {"top1": share, "low": share, "high": share, "images": len(right), "correct": packed(right)}


def latency(median: float, noise: float) -> dict[str, Any]:
    tail = dict.fromkeys(("p90", "p99", "mean", "first"), median)
    ends = {"low": median * (1 - noise), "high": median * (1 + noise)}
    return {"median": median, **ends, **tail, "spread": noise, "windows": [median], "inferences": 18}


def regressions(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What became worse by more than 10 %."""
    return regression.regressions(
        BenchReport.from_json(now, "now.json"), BenchReport.from_json(before, "bench.json"), 10
    )


def test_the_same_result_is_no_regression() -> None:
    assert regressions(document(), document()) == []


@pytest.mark.parametrize(
    ("median", "noise", "worse"), [(1.05, 0.01, 0), (1.3, 0.01, 1), (1.13, 0.10, 0), (0.5, 0.0, 0)]
)
def test_latency_is_worse_only_beyond_the_noise(median: float, noise: float, worse: int) -> None:
    found = regressions(document(latency_ms=latency(median, noise)), document())
    assert len(found) == worse


def test_size_is_worse_by_the_percentage() -> None:
    assert regressions(document(size_bytes=1099), document()) == []
    assert regressions(document(size_bytes=1200), document()) == ["toy tflite-int8 is 20.0 % larger"]


def test_a_small_loss_of_accuracy_is_found_in_pairs_where_two_intervals_would_hide_it() -> None:
    # Eight more are wrong, none became right: 0.8 points, far inside two Wilson intervals of 900 in 1,000.
    right = np.arange(1000) >= 108
    found = regressions(document(accuracy=accuracy(right)), document())
    assert found == ["toy tflite-int8 drops 0.80 points of accuracy, a significant change"]


def test_as_many_won_as_lost_is_chance() -> None:
    right = np.roll(np.arange(1000) >= 106, 50)
    assert regressions(document(accuracy=accuracy(right)), document()) == []


def test_other_images_are_compared_without_pairs() -> None:
    other = {"name": "others", "checksum": "f00d", "synthetic": False}
    slightly, greatly = np.arange(1000) >= 108, np.arange(1000) >= 300
    assert regressions(document(accuracy=accuracy(slightly), data=other), document()) == []
    assert len(regressions(document(accuracy=accuracy(greatly), data=other), document())) == 1


def test_a_row_that_fails_now_is_a_regression_and_a_skipped_one_is_not() -> None:
    failed = document(status="failed", reason="its process crashed")
    assert regressions(failed, document()) == ["toy tflite-int8 failed: its process crashed"]
    both = document()
    both["results"] += document(variant="coreml-fp16", status="skipped")["results"]
    earlier = document()
    earlier["results"] += document(variant="coreml-fp16")["results"]
    assert regressions(both, earlier) == []


def test_results_without_a_common_row_cannot_be_compared() -> None:
    with pytest.raises(BundleError, match="none of the measured models"):
        regressions(document(model="other"), document())


@pytest.mark.parametrize("missing", ["latency_ms", "size_bytes", "status", "threads"])
def test_a_broken_baseline_is_named(missing: str) -> None:
    broken = copy.deepcopy(document())
    del broken["results"][0][missing]
    with pytest.raises(BundleError, match=rf"bench\.json is damaged: results\[0\]\.{missing}"):
        regressions(document(), broken)


def test_a_file_of_unlabelled_images_is_compared_without_accuracy() -> None:
    assert regressions(document(), document(accuracy=None)) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2, "results": []}', '{"schema": 1, "results": 3}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(BundleError, match=r"bench\.json"):
        BenchReport.read(path)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    report = BenchReport.from_json(document(), "bench.json")
    report.write(tmp_path / "bench.json")
    assert BenchReport.read(tmp_path / "bench.json") == report
