"""What the number of test images allows to say about accuracies: compared with guessing and with each other."""

from __future__ import annotations

import math

import numpy as np

from edge_cifar.evaluation.paired import tango
from edge_cifar.report.measurements import Measurement


def chance(row: Measurement) -> float:
    """The accuracy of guessing on the row's images: of always predicting the most common class.

    If the images per class are unknown, that of predicting any one class; 0 if their number is unknown too.
    """
    if row.majority is not None:
        return row.majority
    images = sum(map(sum, row.confusion))
    if images:
        return max(map(sum, row.confusion)) / images
    return 1 / len(row.labels) if row.labels else 0.0


def as_guessed(row: Measurement) -> bool:
    """Whether a row's accuracy is not distinguishable from guessing: its 95 % interval includes it."""
    return row.accuracy is not None and ends(row)[0] <= chance(row)


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
    """
    if reference.correct and row.correct and reference.images and reference.test_set == row.test_set:
        before, now = (
            np.unpackbits(np.frombuffer(one.correct, np.uint8), count=reference.images).astype(bool)
            for one in (reference, row)
        )
        return tango(int(np.count_nonzero(before & ~now)), int(np.count_nonzero(now & ~before)), reference.images)
    (low, high), (its_low, its_high) = ends(reference), ends(row)
    accuracy, its_accuracy = reference.accuracy or 0.0, row.accuracy or 0.0
    difference = accuracy - its_accuracy
    return (
        difference - math.hypot(accuracy - low, its_high - its_accuracy),
        difference + math.hypot(high - accuracy, its_accuracy - its_low),
    )


def ends(row: Measurement) -> tuple[float, float]:
    """The interval of a row's accuracy; the value itself if the result has no interval."""
    value = row.accuracy or 0.0
    return value if row.low is None else row.low, value if row.high is None else row.high
