"""Whether two classifiers differ in accuracy on the same images beyond what chance explains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.evaluation.metrics import Z_95

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PairedDrop:
    """Accuracy that a candidate lost against a reference on the same images.

    Attributes:
        points: the loss in percentage points; negative when the candidate is better.
        low: lower end of its 95 % interval, in percentage points.
        high: upper end of its 95 % interval, in percentage points.
        p_value: of McNemar's exact test that the accuracies are equal, two-sided.
        images: number of images compared.
    """

    points: float
    low: float
    high: float
    p_value: float
    images: int


def paired_drop(labels: Labels, reference: Probabilities, candidate: Probabilities) -> PairedDrop:
    """The candidate's loss of accuracy, by what became of each image.

    Both are asked about the same images, so only those count that one gets right and the other
    wrong; two separate intervals would be several times too wide.

    Args:
        labels: ``[N]``, true classes, N at least 1.
        reference: ``[N, classes]``.
        candidate: ``[N, classes]``.

    Raises:
        ValueError: there is no image.
    """
    return paired(reference.argmax(axis=1) == labels, candidate.argmax(axis=1) == labels)


def paired(was_right: NDArray[np.bool_], is_right: NDArray[np.bool_]) -> PairedDrop:
    """As :func:`paired_drop`, from which images each of the two classified correctly.

    Args:
        was_right: ``[N]``, of the reference, N at least 1.
        is_right: ``[N]``, of the candidate.

    Raises:
        ValueError: there is no image.
    """
    count = len(was_right)
    if not count:
        raise ValueError("no image to compare on")
    lost = int(np.count_nonzero(was_right & ~is_right))
    won = int(np.count_nonzero(is_right & ~was_right))
    low, high = tango(lost, won, count)
    return PairedDrop(100 * (lost - won) / count, 100 * low, 100 * high, mcnemar(lost, won), count)


def mcnemar(lost: int, won: int) -> float:
    """Two-sided p-value of McNemar's test, exact: the smaller count under a fair coin.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12 (1947), 153-157; the exact binomial form follows
    A. L. Edwards (1948).

    Args:
        lost: images right before and wrong now.
        won: images wrong before and right now.
    """
    discordant = lost + won
    # Whole numbers throughout: exact for any count, and no underflow of 2**-n. Each binomial
    # coefficient follows from the one before; computing each anew takes seconds at 10,000 images.
    coefficient = tail = 1
    for number in range(min(lost, won)):
        coefficient = coefficient * (discordant - number) // (number + 1)
        tail += coefficient
    everything: int = 2**discordant
    return min(1.0, 2 * tail / everything)


def tango(lost: int, won: int, count: int) -> tuple[float, float]:
    """95 % score interval of the difference of two proportions measured on the same images.

    It keeps its coverage where few images change, the usual case here, and where none does: there
    the textbook interval has no width at all.

    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statistics in Medicine 17 (1998), 891-908.

    Args:
        lost: images right before and wrong now.
        won: images wrong before and right now.
        count: all images, at least 1.

    Returns:
        Lower and upper end of the interval of ``(lost - won) / count``, each in -1..1.
    """
    estimate = (lost - won) / count

    def score(difference: float) -> float:
        """Standardised distance of the estimate from a supposed true difference; falls as it grows."""
        # `won`'s probability of highest likelihood, given the difference: root of a quadratic.
        linear = -lost - won + (2 * count - lost + won) * difference
        constant = -won * difference * (1 - difference)
        probability = (math.sqrt(max(0.0, linear**2 - 8 * count * constant)) - linear) / (4 * count)
        variance = count * (2 * probability + difference * (1 - difference))
        deviation = lost - won - count * difference
        if variance <= 0:
            return math.copysign(math.inf, deviation) if deviation else 0.0
        return deviation / math.sqrt(variance)

    low = _falling_root(lambda value: score(value) - Z_95, -1.0, estimate)
    high = _falling_root(lambda value: score(value) + Z_95, estimate, 1.0)
    return low, high


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero in ``low..high``, by bisection to the last digit of use."""
    for _ in range(60):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
