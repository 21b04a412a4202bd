"""What the number of test images allows to say about accuracies: compared with guessing and with each other."""

from __future__ import annotations

import math

import numpy as np

from edge_cifar.evaluation.paired import tango
from edge_cifar.report.measurements import Measurement


def chance(row: Measurement) -> float:
    """The accuracy of guessing on the row's images; 0 where it is not known."""
    return row.result.accuracy.chance if row.result.accuracy else 0.0


def as_guessed(row: Measurement) -> bool:
    """Whether a row's accuracy is not distinguishable from guessing: its 95 % interval includes it."""
    return row.result.accuracy is not None and row.result.accuracy.as_guessed


def loss(reference: Measurement, row: Measurement) -> tuple[float, float]:
    """95 % interval of a row's accuracy loss relative to a reference, in -1..1.

    If both have the correctness of every image, the interval is that of the paired difference. Otherwise the two
    intervals are combined as for independent samples, which is too wide for artifacts of one model.

    Source: :func:`edge_cifar.evaluation.paired.tango`; R. G. Newcombe, "Interval estimation for the difference
    between independent proportions", Statistics in Medicine 17 (1998), 873-890, method 10.

    Args:
        reference: measured on the same test set.
        row: the row to compare with it.

    Returns:
        Lower and upper end; negative if the row may be the better one.

    Raises:
        ValueError: one has no accuracy.
    """
    accuracy, its_accuracy = reference.result.accuracy, row.result.accuracy
    if accuracy is None or its_accuracy is None:
        raise ValueError("both rows need an accuracy")
    if accuracy.correct and its_accuracy.correct and reference.test_set == row.test_set:
        before, now = accuracy.right, its_accuracy.right
        return tango(int(np.count_nonzero(before & ~now)), int(np.count_nonzero(now & ~before)), accuracy.images)
    difference = accuracy.top1 - its_accuracy.top1
    return (
        difference - math.hypot(accuracy.top1 - accuracy.low, its_accuracy.high - its_accuracy.top1),
        difference + math.hypot(accuracy.high - accuracy.top1, its_accuracy.top1 - its_accuracy.low),
    )
