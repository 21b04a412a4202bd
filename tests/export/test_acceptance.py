"""The judgement that decides whether an artifact may stand in a bundle, on answers made for the purpose."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_cifar import model_files
from edge_cifar.data import Split
from edge_cifar.documents.reference import Reference
from edge_cifar.export.acceptance import GATE_MINIMUM, Acceptance, AcceptanceGate, Outcome
from edge_cifar.parity.perturbations import PLAIN
from edge_cifar.parity.processes import Answers, Question, Refusal
from edge_cifar.variant import Variant

CLASSES = 10
KNOWN = 100
INT8, FP32 = Variant("tflite", "int8"), Variant("tflite", "fp32")


def answers(labels: NDArray[np.int64], wrong: int) -> NDArray[np.float32]:
    """Probabilities that name the right class but for the first ``wrong`` images."""
    named = labels.copy()
    named[:wrong] = (named[:wrong] + 1) % CLASSES
    return np.eye(CLASSES, dtype=np.float32)[named] * 0.9 + 0.01


def gate(images: int, max_drop: float = 1.0) -> AcceptanceGate:
    labels = np.arange(images, dtype=np.int64) % CLASSES
    split = Split(images=np.zeros((images, 2, 2, 3), np.uint8), labels=labels)
    return AcceptanceGate(split=split, probabilities=answers(labels, wrong=0), max_drop=max_drop)


def known() -> Reference:
    """Images that the bundle carries."""
    labels = np.arange(KNOWN, dtype=np.int64) % CLASSES
    return Reference(images=np.zeros((KNOWN, 2, 2, 3), np.uint8), labels=labels, probabilities=answers(labels, wrong=0))


class Asked:
    """Stands in for the worker processes: an artifact's answers to the reference's and the validation images."""

    def __init__(self, to_known: NDArray[np.float32], to_rest: NDArray[np.float32]) -> None:
        self.given = np.concatenate([to_known, to_rest])
        self.questions: list[Question] = []

    def answers(self, path: Path, question: Question) -> Answers:
        self.questions.append(question)
        return Answers(
            runtime="stand-in",
            input_shape=(2, 2, 3),
            labels=None,
            views={PLAIN: self.given[question.start : question.stop]},
            backends={},
            seconds=0.0,
        )


def acceptance(against: AcceptanceGate, workers: Any) -> Acceptance:
    return Acceptance(gate=against, reference=known(), images=Path("images.npy"), workers=workers)


def outcome(
    monkeypatch: pytest.MonkeyPatch,
    against: AcceptanceGate,
    given: NDArray[np.float32],
    *,
    to_known: NDArray[np.float32] | None = None,
    device: bool = True,
    variant: Variant = INT8,
) -> Outcome:
    monkeypatch.setattr(model_files, "runtime_for", lambda path: SimpleNamespace(DEVICE=device))
    workers = Asked(known().probabilities if to_known is None else to_known, given)
    return acceptance(against, workers).check(variant, Path("x.tflite"))


def test_an_equal_artifact_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600)
    result = outcome(monkeypatch, against, against.probabilities, variant=FP32)
    assert result.passed
    assert result.reason is None
    assert result.parity.status == "checked"
    assert result.parity.images == 600
    assert result.parity.max_abs_diff == 0.0
    assert result.parity.drop.points == 0.0


def test_a_loss_certainly_above_the_limit_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=30))
    assert result.parity.drop.points == pytest.approx(5.0)
    assert result.parity.drop.low > 1.0
    assert result.failed == ("accuracy",)
    assert "drops 5.00 points" in str(result.reason)


def test_a_loss_that_may_be_chance_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=9))
    assert result.parity.drop.points == pytest.approx(1.5)
    assert result.passed


def test_the_limit_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600, max_drop=6.0)
    assert outcome(monkeypatch, against, answers(against.split.labels, wrong=30)).passed


@pytest.mark.parametrize(("images", "let_pass", "rejected"), [(20, 4, 5), (100, 4, 5), (500, 9, 10)])
def test_few_images_reject_only_what_they_can_tell_from_chance(
    monkeypatch: pytest.MonkeyPatch, images: int, let_pass: int, rejected: int
) -> None:
    against = gate(images)
    assert against.smallest_rejected == pytest.approx(100 * rejected / images)
    assert outcome(monkeypatch, against, answers(against.split.labels, wrong=let_pass)).passed
    assert outcome(monkeypatch, against, answers(against.split.labels, wrong=rejected)).failed == ("accuracy",)


@pytest.mark.parametrize(
    ("validation", "training", "asked", "trained_on"),
    [(600, 50, 600, 0), (3000, 50, 2000, 0), (100, 2000, 500, 400), (30, 90, 120, 90), (30, 0, 30, 0)],
)
def test_training_images_are_asked_about_where_validation_images_are_few(
    validation: int, training: int, asked: int, trained_on: int
) -> None:
    def split(count: int, first: int) -> Split:
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 1, 1, 3))
        return Split(images=images, labels=np.arange(first, first + count) % CLASSES)

    chosen, count = AcceptanceGate.chosen_images(split(validation, 0), split(training, 5), seed=0)
    assert (len(chosen), count) == (asked, trained_on)
    against = AcceptanceGate(
        split=chosen, probabilities=np.zeros((asked, CLASSES), np.float32), max_drop=1.0, training_images=count
    )
    limits = against.limits()
    assert bool(limits) == (asked < 500 or trained_on > 0)
    if trained_on:
        assert f"on {validation} validation and {trained_on} training images" in limits
        assert "losses on training images tend to be smaller" in limits
        assert against.record().split == "validation and training"
    assert against.record().gated == (asked >= 500)


@pytest.mark.parametrize(("flips", "failed"), [(3, ()), (4, ("parity",))])
def test_what_verify_would_fail_by_the_reference_images_is_rejected_whatever_it_loses(
    monkeypatch: pytest.MonkeyPatch, flips: int, failed: tuple[str, ...]
) -> None:
    """97 of 100 high-confidence images must keep their class, with no validation image lost and none gated."""
    for images, max_drop in ((600, 1.0), (600, 100.0), (20, 100.0)):
        against = gate(images, max_drop)
        to_known = answers(known().labels, wrong=flips)
        result = outcome(monkeypatch, against, against.probabilities, to_known=to_known)
        assert result.failed == failed
        if failed:
            assert "fails verify: top-1 differs on 4 of 100 high-confidence images" in str(result.reason)


def test_floats_must_reproduce_the_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600)
    to_known = known().probabilities.copy()
    to_known[5, 5:7] += (2e-3, -2e-3)
    assert outcome(monkeypatch, against, against.probabilities, to_known=to_known).passed
    result = outcome(monkeypatch, against, against.probabilities, to_known=to_known, variant=FP32)
    assert result.failed == ("parity",)
    assert "most on image 5" in str(result.reason)


@pytest.mark.parametrize("images", [20, 600])
@pytest.mark.parametrize("spoilt", ["known", "validation"])
def test_answers_that_are_no_numbers_reject_however_few_the_images(
    monkeypatch: pytest.MonkeyPatch, images: int, spoilt: str
) -> None:
    against = gate(images)
    given = {"known": known().probabilities.copy(), "validation": against.probabilities.copy()}
    given[spoilt][3, 3] = np.nan
    result = outcome(monkeypatch, against, given["validation"], to_known=given["known"])
    assert result.failed == ("answers",)
    assert re.search(r"outputs NaN or infinity for 1 of \d+ images, first for image 3$", str(result.reason))


def test_bits_too_few_to_see_the_input_by_are_a_loss_and_no_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(600)
    result = outcome(monkeypatch, against, np.full((600, CLASSES), 0.1, np.float32))
    assert result.failed == ("parity",)
    assert "outputs the same for every image" in str(result.reason)


@pytest.mark.parametrize(
    ("shape", "said"), [((KNOWN + 20, 7), "120×7"), ((KNOWN + 13, CLASSES), "113×10"), ((), "outputs a scalar;")]
)
def test_answers_of_another_shape_reject(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], said: str) -> None:
    against = gate(20)
    monkeypatch.setattr(model_files, "runtime_for", lambda path: SimpleNamespace(DEVICE=True))
    workers = Asked(known().probabilities, against.probabilities)
    whole = workers.answers(Path("x"), Question(images=Path("images.npy"), stop=KNOWN + 20))
    workers.answers = lambda *_: Answers(  # type: ignore[method-assign]
        **{**vars(whole), "views": {PLAIN: np.full(shape, 0.1, np.float32)}}
    )
    result = acceptance(against, workers).check(INT8, Path("x.tflite"))
    assert result.failed == ("answers",)
    assert said in str(result.reason)
    assert "120×10" in str(result.reason)


def test_a_reference_evaluator_is_asked_less(monkeypatch: pytest.MonkeyPatch) -> None:
    against = gate(2000)
    result = outcome(monkeypatch, against, against.probabilities, device=False)
    assert result.parity.images == GATE_MINIMUM


@pytest.mark.parametrize(("wrong_later", "rejected"), [(50, True), (0, False)])
def test_a_reference_evaluator_is_asked_more_where_that_decides(
    monkeypatch: pytest.MonkeyPatch, wrong_later: int, rejected: bool
) -> None:
    against = gate(2000)
    given = answers(against.split.labels, wrong=9)
    given[500:] = answers(against.split.labels[500:], wrong=wrong_later)
    result = outcome(monkeypatch, against, given, device=False)
    assert result.parity.images == 2000
    assert result.parity.drop.points == pytest.approx(100 * (9 + wrong_later) / 2000)
    assert result.passed != rejected


def test_a_reference_evaluator_is_not_asked_more_where_the_first_answers_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    against = gate(2000)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=100), device=False)
    assert result.failed == ("accuracy",)
    assert result.parity.images == 500


def test_a_reference_evaluator_that_dies_at_the_second_asking_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "runtime_for", lambda path: SimpleNamespace(DEVICE=False))
    against = gate(2000)
    workers = Asked(known().probabilities, answers(against.split.labels, wrong=9))
    first = workers.answers
    died = Refusal(reason="its process crashed with SIGABRT", unavailable=False, seconds=0.0)
    workers.answers = lambda path, question: first(path, question) if not question.start else died  # type: ignore[method-assign,assignment,return-value]
    assert acceptance(against, workers).check(INT8, Path("x.mlpackage")).failed == ("runtime",)


@pytest.mark.parametrize(("unavailable", "failed"), [(True, ()), (False, ("runtime",))])
def test_what_cannot_run_here_stays_unverified_and_what_dies_is_rejected(
    monkeypatch: pytest.MonkeyPatch, unavailable: bool, failed: tuple[str, ...]
) -> None:
    refusal = Refusal(reason="for a reason", unavailable=unavailable, seconds=0.0)
    workers = SimpleNamespace(answers=lambda path, question: refusal, latency_ms=lambda *_: refusal)
    monkeypatch.setattr(model_files, "runtime_for", lambda path: SimpleNamespace(DEVICE=True))
    held = acceptance(gate(20), workers)
    result = held.check(INT8, Path("x.tflite"))
    assert result.failed == failed
    assert result.parity.to_json() == {"status": "unverified" if unavailable else "checked", "reason": "for a reason"}
    assert held.latency_ms(Path("x.tflite")) is None


@pytest.mark.parametrize("device", [True, False])
def test_only_what_runs_as_on_a_device_is_timed(device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "runtime_for", lambda path: SimpleNamespace(DEVICE=device))
    workers = SimpleNamespace(latency_ms=lambda path, images, runs: 1.5)
    expected = 1.5 if device else None
    assert acceptance(gate(20), workers).latency_ms(Path("x.tflite")) == expected
