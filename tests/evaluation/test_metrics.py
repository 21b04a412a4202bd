"""Accuracy, its interval, the confusion matrix and calibration error, against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_cifar.evaluation import metrics
from edge_cifar.evaluation.metrics import ClassScores


def one_hot_like(classes: list[int], confidence: float, count: int) -> np.ndarray:
    """Answers with the given confidence in the given classes, the rest spread evenly."""
    rest = (1 - confidence) / (count - 1)
    answers = np.full((len(classes), count), rest)
    answers[np.arange(len(classes)), classes] = confidence
    return answers


def test_wilson_interval_is_that_of_newcombe_1998():
    # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I: 81 of 263.
    interval = metrics.wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    # The same table: 15 of 148, 0 of 20 and 1 of 29.
    assert [round(end, 4) for end in (metrics.wilson(15, 148).low, metrics.wilson(15, 148).high)] == [0.0624, 0.1605]
    assert [round(end, 4) for end in (metrics.wilson(0, 20).low, metrics.wilson(0, 20).high)] == [0.0, 0.1611]
    assert [round(end, 4) for end in (metrics.wilson(1, 29).low, metrics.wilson(1, 29).high)] == [0.0061, 0.1718]


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_interval_holds_the_value_and_mirrors(counts):
    correct, total = counts
    interval = metrics.wilson(correct, total)
    mirrored = metrics.wilson(total - correct, total)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (2, 1), (-1, 5)])
def test_wilson_refuses_what_is_no_proportion(correct, total):
    with pytest.raises(ValueError, match="proportion"):
        metrics.wilson(correct, total)


def test_accuracy_counts_the_most_probable_class():
    interval = metrics.accuracy(np.array([0, 1, 2, 2]), one_hot_like([0, 1, 2, 0], 0.9, 3))
    assert (interval.value, interval.count) == (0.75, 4)


def test_confusion_matrix_has_true_classes_in_rows():
    matrix = metrics.confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert matrix.dtype == np.int64


def test_classification_report_by_hand():
    labels = np.array([0, 0, 0, 1, 1])
    report = metrics.classification_report(labels, one_hot_like([0, 0, 1, 1, 0], 0.9, 3), ["a", "b", "never seen"])
    first, second, third = report.per_class
    assert first == ClassScores(label="a", precision=2 / 3, recall=2 / 3, f1=2 / 3, images=3)
    assert second == ClassScores(label="b", precision=0.5, recall=0.5, f1=0.5, images=2)
    assert third == ClassScores(label="never seen", precision=0.0, recall=0.0, f1=0.0, images=0)
    assert report.recall == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_classification_report_agrees_with_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra only")
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 10, 500), random.dirichlet(np.ones(10), 500)
    report = metrics.classification_report(labels, probabilities, [str(number) for number in range(10)])
    expected = reference.precision_recall_fscore_support(labels, probabilities.argmax(1), zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        assert [getattr(row, name) for row in report.per_class] == pytest.approx(list(values))


def test_calibration_error_by_hand():
    # Five images at confidence 0.9, four of them right: off by 0.1. Five at 0.6, one right: off by 0.4.
    labels = np.zeros(10, np.int64)
    probabilities = np.concatenate([one_hot_like([0, 0, 0, 0, 1], 0.9, 2), one_hot_like([0, 1, 1, 1, 1], 0.6, 2)])
    assert metrics.calibration_error(labels, probabilities) == pytest.approx(0.5 * 0.1 + 0.5 * 0.4)


def test_a_perfectly_sure_and_right_classifier_is_calibrated():
    assert metrics.calibration_error(np.array([1, 0]), np.array([[0.0, 1.0], [1.0, 0.0]])) == 0.0


def test_calibration_interval_holds_the_error_and_repeats():
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 10, 400), random.dirichlet(np.ones(10), 400)
    interval = metrics.calibration_interval(labels, probabilities)
    assert interval.low <= interval.value == metrics.calibration_error(labels, probabilities) <= interval.high
    assert interval == metrics.calibration_interval(labels, probabilities)
    assert 0.01 < interval.high - interval.low < 0.15


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_are_there():
    labels = np.array([0] * 8 + [2] * 2)
    assert metrics.balanced_accuracy(labels, np.zeros(10, np.int64)) == 0.5
    assert metrics.balanced_accuracy(labels, np.array([0] * 4 + [1] * 4 + [2] * 2)) == 0.75
    assert metrics.balanced_accuracy(labels, labels) == 1.0
