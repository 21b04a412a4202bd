"""The rule by which the report says what to ship."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from report_samples import bench_document

from edge_cifar.errors import UsageError
from edge_cifar.report.advice import Limits, advise
from edge_cifar.report.measurements import Data, Measurement, Parity, read_benchmark


def row(variant: str, accuracy: float, size: float, latency: float, **more: Any) -> Measurement:
    values = {"model": "net", "format": "tflite", "precision": "fp32", "status": "ok", "machine": "pi"}
    figures = {"accuracy": accuracy, "size_bytes": size, "median_ms": latency}
    return Measurement(variant=variant, **{**values, **figures, **more})


BIG = row("big", 0.94, 9e6, 0.6)
SMALL = row("small", 0.935, 2e6, 0.4)
QUICK = row("quick", 0.932, 3e6, 0.1)
POOR = row("poor", 0.90, 1e5, 0.05)
ROWS = [BIG, SMALL, QUICK, POOR]


@pytest.mark.parametrize(
    ("limits", "chosen"),
    [
        pytest.param(Limits(), SMALL, id="smallest-within-one-point"),
        pytest.param(Limits(min_accuracy=0.94), BIG, id="least-accuracy-may-be-met-exactly"),
        pytest.param(Limits(min_accuracy=0.90), POOR, id="smallest-that-reaches-the-accuracy"),
        pytest.param(Limits(min_accuracy=0.93, max_size_bytes=5e6), QUICK, id="fastest-when-size-is-settled"),
        pytest.param(Limits(min_accuracy=0.93, max_latency_ms=0.2), QUICK, id="accuracy-and-latency"),
        pytest.param(Limits(max_size_bytes=5e6), SMALL, id="most-accurate-within-the-size"),
        pytest.param(Limits(max_latency_ms=0.2), QUICK, id="most-accurate-within-the-latency"),
        pytest.param(Limits(max_size_bytes=5e4), None, id="nothing-fits"),
    ],
)
def test_the_rule_chooses(limits: Limits, chosen: Measurement | None) -> None:
    (advice,) = advise(ROWS, limits)
    assert advice.chosen == chosen


@pytest.mark.parametrize("best", [0.75, 0.94, 0.9312])
def test_a_loss_of_exactly_one_point_is_not_less_than_one_point(best: float) -> None:
    # As counted: shares of 10,000 images, whose difference may miss a hundredth in binary.
    (advice,) = advise([row("best", best, 9e6, 1.0), row("less", round(best - 0.01, 4), 1e6, 1.0)], Limits())
    assert advice.chosen is not None
    assert advice.chosen.variant == "best"


def test_ties_in_size_go_to_the_faster() -> None:
    (advice,) = advise([row("slow", 0.94, 1e6, 2.0), row("fast", 0.94, 1e6, 1.0)], Limits())
    assert advice.chosen is not None
    assert advice.chosen.variant == "fast"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": "failed"}, id="failed"),
        pytest.param({"accuracy": None}, id="without-accuracy"),
        pytest.param({"median_ms": None}, id="without-latency"),
        pytest.param({"parity": Parity(status="failed")}, id="parity-failed"),
    ],
)
def test_what_was_not_measured_or_disagrees_is_never_advised(change: dict[str, Any]) -> None:
    (advice,) = advise([BIG, dataclasses.replace(SMALL, **change)], Limits())
    assert advice.chosen == BIG


def test_nothing_measured_gives_no_advice() -> None:
    assert advise([dataclasses.replace(BIG, accuracy=None)], Limits()) == []


def test_the_sentence_names_the_artifact_its_loss_and_its_figures() -> None:
    (advice,) = advise(ROWS, Limits())
    words = advice.sentence.replace("\u00a0", " ")
    assert words.startswith("Ship small of net: the smallest of 4 that loses less than one point against the best")
    assert "(0.500 points); 93.50 % right, 2.00 MB, 0.400 ms an image." in words
    assert advice.rule.startswith("The smallest artifact")


def test_when_nothing_fits_the_sentence_says_what_would() -> None:
    (advice,) = advise(ROWS, Limits(min_accuracy=0.99))
    words = advice.sentence.replace("\u00a0", " ")
    assert words.startswith("None of 4 has at least 99 %: the most accurate reaches 94.00 %")


def test_machines_are_ranked_apart() -> None:
    elsewhere = dataclasses.replace(BIG, machine="mac")
    first, second = advise([POOR, elsewhere], Limits())
    assert first.sentence.startswith("On pi: ship poor")
    assert second.sentence.startswith("On mac: ship big")


def test_synthetic_data_is_called_so_and_not_ranked_against_real() -> None:
    made = dataclasses.replace(POOR, accuracy=0.99, data=Data(name="synthetic", synthetic=True))
    real = dataclasses.replace(BIG, data=Data(name="cifar10"))
    sentences = [advice.sentence for advice in advise([real, made], Limits())]
    assert any(sentence.startswith("On cifar10: ship big") for sentence in sentences)
    assert any(sentence.startswith("On synthetic data: ship poor") for sentence in sentences)


def test_more_threads_are_named() -> None:
    (advice,) = advise([dataclasses.replace(BIG, threads=4)], Limits())
    assert "an image on 4 threads" in advice.sentence


@pytest.mark.parametrize(
    "limits", [{"min_accuracy": 1.2}, {"min_accuracy": 0.0}, {"max_size_bytes": 0.0}, {"max_latency_ms": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--m"):
        Limits(**limits)


def test_of_two_backbones_the_accurate_one_is_kept() -> None:
    rows = read_benchmark(bench_document(), "bench.json").measurements
    (advice,) = advise(rows, Limits())
    assert advice.chosen is not None
    assert advice.chosen.name == "mobilenetv2 onnx-int8"
    (small,) = advise(rows, Limits(max_size_bytes=100e3))
    assert small.chosen is not None
    assert small.chosen.name == "resnet8 tflite-int8"


@pytest.mark.parametrize("limit", [float("inf"), float("nan"), 0.0])
def test_limits_are_finite(limit: float) -> None:
    for limits in ({"max_size_bytes": limit}, {"max_latency_ms": limit}):
        with pytest.raises(UsageError, match="must be a number above 0"):
            Limits(**limits)
