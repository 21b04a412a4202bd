"""The comparison that decides whether an artifact may stand in a bundle."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.runtimes import loading
from edge_cifar.steps import _export_check
from edge_cifar.steps._export_check import Outcome, Yardstick

CLASSES = 10


def answers(labels: NDArray[np.int64], wrong: int) -> NDArray[np.float32]:
    """Probabilities that name the right class but for the first ``wrong`` images."""
    named = labels.copy()
    named[:wrong] = (named[:wrong] + 1) % CLASSES
    return np.eye(CLASSES, dtype=np.float32)[named] * 0.9 + 0.01


def yardstick(images: int, max_drop: float = 1.0) -> Yardstick:
    labels = np.arange(images, dtype=np.int64) % CLASSES
    split = Split(images=np.zeros((images, 2, 2, 3), np.uint8), labels=labels)
    return Yardstick(split=split, probabilities=answers(labels, wrong=0), max_drop=max_drop)


def outcome(
    monkeypatch: pytest.MonkeyPatch, against: Yardstick, given: NDArray[np.float32], *, device: bool = True
) -> Outcome:
    asked = 0

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal asked
        asked += len(images)
        return given[asked - len(images) : asked]

    runtime = SimpleNamespace(name="stand-in", predict=predict, single=lambda image: lambda: None)
    module = SimpleNamespace(DEVICE=device, load=lambda path: runtime)
    monkeypatch.setattr(loading, "runtime_for", lambda path: module)
    return _export_check.check(Path("x.tflite"), against)


def test_an_equal_artifact_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(600)
    result = outcome(monkeypatch, against, against.probabilities)
    assert result.rejection is None
    assert result.parity["status"] == "checked"
    assert result.parity["images"] == 600
    assert result.parity["max_abs_diff"] == 0.0
    assert result.parity["drop"]["points"] == 0.0


def test_a_loss_certainly_above_the_limit_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(600)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=30))
    assert result.parity["drop"]["points"] == pytest.approx(5.0)
    assert result.parity["drop"]["low"] > 1.0
    assert result.rejection is not None
    assert "loses 5.00 points" in result.rejection


def test_a_loss_that_may_be_chance_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(600)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=9))
    assert result.parity["drop"]["points"] == pytest.approx(1.5)
    assert result.rejection is None


def test_the_limit_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(600, max_drop=6.0)
    assert outcome(monkeypatch, against, answers(against.split.labels, wrong=30)).rejection is None


def test_fewer_than_500_images_reject_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(499)
    assert not against.gated
    assert outcome(monkeypatch, against, answers(against.split.labels, wrong=400)).rejection is None


@pytest.mark.parametrize("images", [20, 600])
def test_answers_that_are_no_numbers_reject_however_few_the_images(
    monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    against = yardstick(images)
    given = against.probabilities.copy()
    given[3, 3] = np.nan
    result = outcome(monkeypatch, against, given)
    assert result.rejection == "some of its probabilities are not finite"


def test_another_number_of_classes_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(20)
    result = outcome(monkeypatch, against, against.probabilities[:, :7])
    assert result.rejection == "it gives 7 probabilities an image where Keras gives 10"


def test_a_reference_evaluator_is_asked_less(monkeypatch: pytest.MonkeyPatch) -> None:
    against = yardstick(2000)
    result = outcome(monkeypatch, against, against.probabilities, device=False)
    assert result.parity["images"] == _export_check.GATE_MINIMUM


@pytest.mark.parametrize(("wrong_later", "rejected"), [(50, True), (0, False)])
def test_a_reference_evaluator_is_asked_more_where_that_decides(
    monkeypatch: pytest.MonkeyPatch, wrong_later: int, rejected: bool
) -> None:
    against = yardstick(2000)
    given = answers(against.split.labels, wrong=9)
    given[500:] = answers(against.split.labels[500:], wrong=wrong_later)
    result = outcome(monkeypatch, against, given, device=False)
    assert result.parity["images"] == 2000
    assert result.parity["drop"]["points"] == pytest.approx(100 * (9 + wrong_later) / 2000)
    assert (result.rejection is not None) == rejected


def test_a_reference_evaluator_is_not_asked_more_where_the_first_answers_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    against = yardstick(2000)
    result = outcome(monkeypatch, against, answers(against.split.labels, wrong=100), device=False)
    assert result.rejection is not None
    assert result.parity["images"] == 500


def test_what_cannot_run_here_stays_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise RuntimeUnavailable("Core ML runs on macOS only, this is Linux")

    monkeypatch.setattr(loading, "runtime_for", refuse)
    result = _export_check.check(Path("x.mlpackage"), yardstick(20))
    assert result == Outcome(parity={"status": "unverified", "reason": "Core ML runs on macOS only, this is Linux"})


def test_what_its_own_runtime_refuses_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise BundleError("not a model")

    monkeypatch.setattr(loading, "runtime_for", lambda path: SimpleNamespace(DEVICE=True, load=refuse))
    assert _export_check.check(Path("x.onnx"), yardstick(20)).rejection == "not a model"


@pytest.mark.parametrize("device", [True, False])
def test_only_what_runs_as_on_a_device_is_timed(device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(single=lambda image: lambda: None)
    monkeypatch.setattr(loading, "runtime_for", lambda path: SimpleNamespace(DEVICE=device, load=lambda path: runtime))
    assert (_export_check.latency_ms(Path("x.tflite"), yardstick(20)) is not None) == device
