"""The rule by which the report says what to ship."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.report_samples import bench_document, benchmark

from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_figures import DetailedAccuracy, Latency
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.errors import UsageError
from edge_cifar.evaluation.metrics import wilson
from edge_cifar.report.advice import Advice, Limits, advise
from edge_cifar.report.measurements import Measurement
from edge_cifar.report.parity import Parity
from edge_cifar.variant import Variant


def row(precision: str, top1: float, size: int, latency: float, **accuracy: Any) -> Measurement:
    """An artifact of one model, verified; its accuracy has no width unless one is given."""
    result = BenchmarkResult(
        model="net",
        variant=Variant("tflite", precision),
        path=Path("x.tflite"),
        sha256=None,
        status="ok",
        threads=1,
        size_bytes=size,
        accuracy=DetailedAccuracy(**{"top1": top1, "low": top1, "high": top1, "images": 10_000, **accuracy}),
        latency=Latency(
            **dict.fromkeys(("median", "low", "high", "p90", "p99", "mean", "first"), latency),
            spread=0.0,
            windows=(latency,),
            inferences=1,
        ),
    )
    return Measurement(result=result, machine="pi", parity=Parity(status="proven", images=2000))


def altered(one: Measurement, **values: Any) -> Measurement:
    """With other values in its row of the bench report."""
    return dataclasses.replace(one, result=dataclasses.replace(one.result, **values))


BIG = row("big", 0.94, 9_000_000, 0.6)
SMALL = row("small", 0.935, 2_000_000, 0.4)
QUICK = row("quick", 0.932, 3_000_000, 0.1)
POOR = row("poor", 0.90, 100_000, 0.05)
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
    (advice,) = advise(
        [row("best", best, 9_000_000, 1.0), row("less", round(best - 0.01, 4), 1_000_000, 1.0)], Limits()
    )
    assert advice.chosen is not None
    assert advice.chosen.precision == "best"


def test_ties_in_size_go_to_the_faster() -> None:
    (advice,) = advise([row("slow", 0.94, 1_000_000, 2.0), row("fast", 0.94, 1_000_000, 1.0)], Limits())
    assert advice.chosen is not None
    assert advice.chosen.precision == "fast"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(altered(SMALL, status="failed"), id="failed"),
        pytest.param(altered(SMALL, accuracy=None), id="without-accuracy"),
        pytest.param(altered(SMALL, latency=None), id="without-latency"),
        pytest.param(dataclasses.replace(SMALL, parity=Parity(status="failed")), id="parity-failed"),
        pytest.param(dataclasses.replace(SMALL, absent="rejected"), id="rejected"),
    ],
)
def test_what_was_not_measured_or_disagrees_is_never_advised(other: Measurement) -> None:
    (advice,) = advise([BIG, other], Limits())
    assert advice.chosen == BIG


def test_nothing_measured_gives_no_advice() -> None:
    assert advise([altered(BIG, accuracy=None)], Limits()) == []


def test_the_sentence_names_the_artifact_its_loss_and_its_figures() -> None:
    (advice,) = advise(ROWS, Limits())
    words = advice.sentence.replace("\u00a0", " ")
    assert words.startswith("Ship net tflite-small: the smallest of 4 artifacts within one point of the best (Δ top-1 ")
    assert "(Δ top-1 -0.50 pp); top-1 93.50 %, 2.00 MB, 0.400 ms per image; verified on 2,000 images." in words
    assert advice.rule.startswith("The smallest artifact")


def test_when_nothing_fits_the_sentence_says_what_would() -> None:
    (advice,) = advise(ROWS, Limits(min_accuracy=0.99))
    words = advice.sentence.replace("\u00a0", " ")
    assert words.startswith("None of 4 artifacts has at least 99 % top-1: the most accurate reaches 94.00 %")


def test_machines_are_ranked_apart() -> None:
    elsewhere = dataclasses.replace(BIG, machine="mac")
    first, second = advise([POOR, elsewhere], Limits())
    assert first.sentence.startswith("On pi: ship net tflite-poor")
    assert second.sentence.startswith("On mac: ship net tflite-big")


def test_synthetic_data_is_called_so_and_not_ranked_against_real() -> None:
    made = altered(row("poor", 0.99, 100_000, 0.05), data=DataSource(name="synthetic", synthetic=True))
    real = altered(BIG, data=DataSource(name="cifar10"))
    sentences = [advice.sentence for advice in advise([real, made], Limits())]
    assert any(sentence.startswith("On cifar10: ship net tflite-big") for sentence in sentences)
    assert any(sentence.startswith("On synthetic data: ship net tflite-poor") for sentence in sentences)


def test_more_threads_are_named() -> None:
    (advice,) = advise([altered(BIG, threads=4)], Limits())
    assert "per image on 4 threads" in advice.sentence


@pytest.mark.parametrize(
    "limits", [{"min_accuracy": 1.2}, {"min_accuracy": 0.0}, {"max_size_bytes": 0.0}, {"max_latency_ms": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--m"):
        Limits(**limits)


def test_of_two_backbones_the_accurate_one_is_kept() -> None:
    proven = {"parity": Parity(status="proven", images=2000)}
    measured = benchmark(bench_document()).measurements
    rows = [dataclasses.replace(one, **proven) for one in measured]
    (advice,) = advise(rows, Limits())
    assert advice.chosen is not None
    assert advice.chosen.name == "mobilenetv2 onnx-int8"
    (small,) = advise(rows, Limits(max_size_bytes=100e3))
    assert small.chosen is not None
    assert small.chosen.name == "resnet8 tflite-int8"


@pytest.mark.parametrize("limit", [float("inf"), float("nan"), 0.0])
def test_limits_are_finite(limit: float) -> None:
    for limits in ({"max_size_bytes": limit}, {"max_latency_ms": limit}):
        with pytest.raises(UsageError, match="must be a finite number above 0"):
            Limits(**limits)


def counted(precision: str, right: int, images: int, size: int = 1_000_000, **more: Any) -> Measurement:
    """A row that got the first ``right`` of its images right, as ``bench`` tells it."""
    share = wilson(right, images)
    figures = {"low": share.low, "high": share.high, "images": images}
    bits = np.packbits(np.arange(images) < right).tobytes()
    return row(precision, share.value, size, 1.0, **{**figures, "correct": bits, "majority": 0.1, **more})


def of(model: Measurement, *others: Measurement, limits: Limits = Limits()) -> Advice:  # noqa: B008
    (advice,) = advise([model, *others], limits)
    return advice


@pytest.mark.parametrize(
    "guessed",
    [
        pytest.param(counted("fp32", 2, 6, majority=None, labels=("a", "b", "c")), id="three-classes"),
        pytest.param(counted("fp32", 1050, 10_000), id="just-above-one-of-ten"),
        pytest.param(counted("fp32", 500, 10_000), id="worse-than-guessing"),
        pytest.param(counted("fp32", 8000, 10_000, majority=0.8), id="the-commonest-class"),
        pytest.param(
            counted("fp32", 80, 100, majority=None, labels=("a", "b"), confusion=((79, 1), (19, 1))),
            id="the-commonest-class-by-the-confusion-matrix",
        ),
    ],
)
def test_what_cannot_be_told_from_guessing_is_not_advised(guessed: Measurement) -> None:
    advice = of(guessed)
    assert advice.chosen is None
    words = advice.sentence.replace("\u00a0", " ")
    assert words.startswith("No recommendation: no artifact is measurably better than guessing (")
    assert "edge-cifar bench --images all" in words
    accuracy = guessed.result.accuracy
    assert accuracy is not None
    better = counted("int8", accuracy.images, accuracy.images, majority=accuracy.majority, labels=accuracy.labels)
    assert of(guessed, better).chosen == better


def test_a_little_better_than_guessing_is_enough_where_the_images_tell_it() -> None:
    assert of(counted("fp32", 1200, 10_000)).chosen is not None


@pytest.mark.parametrize("status", ["checked", "unverified", "unknown"])
def test_nothing_is_advised_where_nothing_is_verified(status: Any) -> None:
    doubtful = [dataclasses.replace(one, parity=Parity(status=status, images=500)) for one in ROWS]
    advice = of(*doubtful)
    assert advice.chosen is None
    assert "none of 4 artifacts is verified; run: edge-cifar verify" in advice.sentence
    one_proven = of(*doubtful[1:], BIG)
    assert one_proven.chosen == BIG
    assert "Excluded: 3 of 4" in one_proven.rule


def test_a_file_that_came_without_its_keras_model_has_nothing_to_be_verified_against() -> None:
    bare = dataclasses.replace(altered(BIG, variant=None, model="theirs"), parity=Parity())
    advice = of(bare)
    assert advice.chosen == bare
    assert advice.sentence.endswith("; not verified, as there is no Keras model to compare it with.")


FULL, LESS = counted("fp32", 1880, 2000, 9_000_000), counted("int8", 1875, 2000)
SOME = Limits(max_size_bytes=1e7)


@pytest.mark.parametrize(
    ("rows", "limits", "chosen"),
    [
        pytest.param([FULL, LESS], Limits(), "int8", id="2000-images-in-pairs"),
        # By two separate intervals, 94.0 (92.9 to 95.0) and 93.75 (92.6 to 94.7).
        pytest.param([FULL, counted("int8", 1875, 2000, correct=b"")], Limits(), "int8", id="2000-images-not-in-pairs"),
        pytest.param([counted("fp32", 9, 10, 9_000_000), counted("int8", 9, 10)], Limits(), None, id="ten-images"),
        pytest.param(
            [counted("fp32", 48, 50, 9_000_000), counted("int8", 46, 50)], Limits(), None, id="smaller-and-worse?"
        ),
        pytest.param(
            [counted("fp32", 1880, 2000, 9_000_000), counted("int8", 1500, 2000)], Limits(), "fp32", id="worse"
        ),
        pytest.param([FULL, LESS], SOME, "fp32", id="most-accurate-in-pairs"),
        pytest.param([counted("fp32", 9, 10), counted("int8", 8, 10)], SOME, None, id="most-accurate-of-ten-images"),
        pytest.param([FULL, LESS], Limits(min_accuracy=0.93), "int8", id="reaches"),
        pytest.param([counted("fp32", 10, 10)], Limits(min_accuracy=0.93), None, id="ten-images-reach-nothing"),
        # The larger one surely reaches it, and so may the smaller: which is the smallest that does?
        pytest.param(
            [counted("fp32", 485, 500, 9_000_000), counted("int8", 465, 500)],
            Limits(min_accuracy=0.935),
            None,
            id="the-smaller-may-reach-it-too",
        ),
    ],
)
def test_too_few_images_to_tell_give_no_advice(rows: list[Measurement], limits: Limits, chosen: str | None) -> None:
    advice = of(*rows, limits=limits)
    assert (advice.chosen and advice.chosen.precision) == chosen
    if chosen is None:
        assert rows[0].result.accuracy is not None
        assert f"{rows[0].result.accuracy.images} images are too few to " in advice.sentence
        assert "use more test images: edge-cifar bench --images all" in advice.sentence


def test_test_sets_are_ranked_apart() -> None:
    """Nine of ten right says nothing about an artifact that was asked two thousand images."""
    few = altered(counted("few", 100, 100, 1), data=DataSource(name="cifar10"))
    many = altered(FULL, data=DataSource(name="cifar10"))
    first, second = advise([few, many], Limits())
    assert first.sentence.startswith("On 100 images of cifar10: ship net tflite-few")
    assert second.sentence.startswith("On 2,000 images of cifar10: ship net tflite-fp32")
    assert second.chosen == many
