"""How good one classifier is: accuracy with its interval, the confusion matrix, calibration error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]

# 0.975 quantile of the standard normal: two-sided 95 %.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        count: number of observations behind it.
    """

    value: float
    low: float
    high: float
    count: int


def wilson(correct: int, total: int) -> Interval:
    """A proportion with its 95 % score interval.

    Unlike the textbook interval it stays inside 0..1 and is of use at 0 % and 100 %.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927), 209-212.

    Args:
        correct: successes, 0..total.
        total: observations, at least 1.

    Raises:
        ValueError: the counts are not those of a proportion.
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"a proportion needs 0 <= correct <= total and total >= 1; got {correct} of {total}")
    share = correct / total
    square = Z_95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = Z_95 * math.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    # At 0 and at total the formula gives exactly 0 and 1; rounding must not push the ends past the value.
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), total)


def accuracy(labels: Labels, probabilities: Probabilities) -> Interval:
    """Share of images whose most probable class is the true one, with its Wilson interval.

    Args:
        labels: ``[N]``, true classes, N at least 1.
        probabilities: ``[N, classes]``.
    """
    return wilson(int(np.count_nonzero(probabilities.argmax(axis=1) == labels)), len(labels))


def majority_share(labels: Labels) -> float:
    """Share of the images that are of the commonest class, 0..1: what always naming that class gets right.

    Args:
        labels: int64 ``[N]``, true classes, N at least 1.
    """
    return float(np.bincount(labels).max() / len(labels))


def balanced_accuracy(labels: Labels, predicted: NDArray[np.integer[Any]]) -> float:
    """Mean over the classes of the share of their images that are classified correctly.

    Equal to accuracy where all classes have as many images; classes without any do not count.

    Args:
        labels: ``[N]``, true classes, N at least 1.
        predicted: ``[N]``, predicted classes.
    """
    seen = np.bincount(labels)
    hits = np.bincount(labels[predicted == labels], minlength=len(seen))
    return float((hits[seen > 0] / seen[seen > 0]).mean())


def confusion_matrix(labels: Labels, predicted: NDArray[np.integer[Any]], classes: int) -> NDArray[np.int64]:
    """Counts of images by true class (rows) and predicted class (columns).

    Args:
        labels: ``[N]``, true classes in 0..classes-1.
        predicted: ``[N]``, predicted classes in 0..classes-1.
        classes: number of classes.

    Returns:
        int64 ``[classes, classes]``.
    """
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return cells.astype(np.int64).reshape(classes, classes)


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Precision, recall and F1 of one class, in 0..1, and how many images it has."""

    label: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True, kw_only=True)
class ClassificationReport:
    """Scores of every class, and their plain averages over the classes (macro), in 0..1."""

    per_class: tuple[ClassScores, ...]
    precision: float
    recall: float
    f1: float


def classification_report(labels: Labels, probabilities: Probabilities, names: Sequence[str]) -> ClassificationReport:
    """Precision, recall and F1 of each class and their plain averages over the classes (macro).

    A figure whose denominator is zero (a class never predicted, or never seen) counts as 0.

    Args:
        labels: ``[N]``, true classes.
        probabilities: ``[N, classes]``.
        names: class names, in the order of the class numbers.
    """
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(names))
    hits = np.diag(matrix)
    seen, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    precision = _ratio(hits, predicted)
    recall = _ratio(hits, seen)
    # F1 = 2PR / (P + R) = 2 hits / (seen + predicted): one division, and no second 0/0 to think about.
    f1 = _ratio(2 * hits, seen + predicted)
    per_class = tuple(
        ClassScores(
            label=name,
            precision=float(precision[number]),
            recall=float(recall[number]),
            f1=float(f1[number]),
            images=int(seen[number]),
        )
        for number, name in enumerate(names)
    )
    return ClassificationReport(
        per_class=per_class,
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
    )


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = 15) -> float:
    """Expected calibration error of the most probable class: 0 when confidence equals accuracy.

    Images are sorted into ``bins`` equally wide bins of confidence; the error is the mean over the
    images of the distance between their bin's accuracy and its mean confidence.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using
    Bayesian binning", AAAI 2015; 15 bins as in C. Guo et al., "On calibration of modern neural
    networks", ICML 2017.

    Args:
        labels: ``[N]``, true classes, N at least 1.
        probabilities: ``[N, classes]``, in 0..1.
        bins: number of bins.

    Returns:
        The error, in 0..1.
    """
    bin_of, gap = _calibration_gaps(labels, probabilities, bins)
    return float(np.abs(np.bincount(bin_of, weights=gap, minlength=bins)).sum() / len(labels))


def calibration_interval(
    labels: Labels, probabilities: Probabilities, bins: int = 15, *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """The calibration error with its 95 % interval by the percentile bootstrap over images.

    The binned estimate is biased upwards on few images (A. Kumar, P. Liang, T. Ma, "Verified
    uncertainty calibration", NeurIPS 2019), and so are its resamples: read the interval as a
    measure of spread. Where the resamples lie above the estimate altogether the interval is
    widened to hold it.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).

    Args:
        labels: ``[N]``, true classes, N at least 1.
        probabilities: ``[N, classes]``, in 0..1.
        bins: number of bins.
        resamples: bootstrap samples.
        seed: of the resampling, so that the figure can be repeated.
    """
    count = len(labels)
    bin_of, gap = _calibration_gaps(labels, probabilities, bins)
    random = np.random.default_rng(seed)
    errors = np.empty(resamples)
    for sample in range(resamples):
        drawn = random.integers(0, count, count)
        errors[sample] = np.abs(np.bincount(bin_of[drawn], weights=gap[drawn], minlength=bins)).sum() / count
    value = calibration_error(labels, probabilities, bins)
    low, high = np.quantile(errors, [0.025, 0.975])
    return Interval(value, min(value, float(low)), max(value, float(high)), count)


def _calibration_gaps(
    labels: Labels, probabilities: Probabilities, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each image's bin of confidence, and its correctness (0 or 1) minus its confidence."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    # Bins are open below and closed above, as in the source: (0, 1/B], (1/B, 2/B], ...
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return bin_of, correct - confidence


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
