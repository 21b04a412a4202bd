"""An artifact's answers against the Keras model's: every figure, and whether they meet the tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.reference import Reference
from edge_cifar.evaluation.agreement import Agreement, agreement, confident_agreement, margin
from edge_cifar.evaluation.metrics import Interval, accuracy, calibration_interval
from edge_cifar.evaluation.paired import PairedDrop, paired_drop
from edge_cifar.parity.diagnosis import always_the_same, no_probabilities
from edge_cifar.parity.tolerances import Tolerance

_NORMAL_95 = 1.96


@dataclass(frozen=True, kw_only=True)
class Change:
    """An image whose most probable class changed.

    Attributes:
        image: its number in the reference.
        label: true class.
        reference: class by the Keras model.
        artifact: class by the artifact.
    """

    image: int
    label: int
    reference: int
    artifact: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything measured between an artifact and the Keras model on the same images.

    Attributes:
        agreement: differences of the probabilities and of the classes.
        confident_images: images whose Keras margin is over the tolerance's.
        confident_agreement: share of those with the same class.
        confident_changes: numbers of those without.
        changes: all images whose class changed.
        accuracy: of the artifact.
        reference_accuracy: of the Keras model.
        calibration_error: of the artifact.
        reference_calibration_error: of the Keras model.
        drop: accuracy lost, paired over the images.
        differences: float32 ``[N]``, the largest difference of a probability in each image.
        variation: mean total variation distance over the images, 0 to 1, with its 95 % interval.
    """

    agreement: Agreement
    confident_images: int
    confident_agreement: float
    confident_changes: tuple[int, ...]
    changes: tuple[Change, ...]
    accuracy: Interval
    reference_accuracy: Interval
    calibration_error: Interval
    reference_calibration_error: Interval
    drop: PairedDrop
    differences: NDArray[np.float32]
    variation: Interval


def compare(reference: Reference, probabilities: NDArray[np.float32], over: float) -> Comparison:
    """Measure an artifact's answers.

    Args:
        reference: the images' labels and the Keras model's probabilities.
        probabilities: float32 ``[N, classes]``, the artifact's answers to the same images, which
            :func:`unusable` found nothing wrong with.
        over: the Keras margin beyond which an image is confident.
    """
    labels, expected = reference.labels, reference.probabilities
    close = agreement(expected, probabilities)
    share, flipped = confident_agreement(expected, probabilities, over)
    before, after = expected.argmax(axis=1), probabilities.argmax(axis=1)
    return Comparison(
        agreement=close,
        confident_images=int(np.count_nonzero(margin(expected) > over)),
        confident_agreement=share,
        confident_changes=tuple(int(image) for image in flipped),
        changes=tuple(
            Change(image=image, label=int(labels[image]), reference=int(before[image]), artifact=int(after[image]))
            for image in close.changed
        ),
        accuracy=accuracy(labels, probabilities),
        reference_accuracy=accuracy(labels, expected),
        calibration_error=calibration_interval(labels, probabilities),
        reference_calibration_error=calibration_interval(labels, expected),
        drop=paired_drop(labels, expected, probabilities),
        differences=np.abs(expected - probabilities).max(axis=1),
        variation=_variation(expected, probabilities),
    )


def _variation(expected: NDArray[np.float32], probabilities: NDArray[np.float32]) -> Interval:
    """The mean distance of the answers; its interval by the normal approximation."""
    distances = np.abs(expected - probabilities).sum(axis=1, dtype=np.float64) / 2
    mean = float(distances.mean())
    half = _NORMAL_95 * float(distances.std()) / math.sqrt(len(distances))
    return Interval(value=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), count=len(distances))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What an artifact's answers are worth, by one tolerance.

    Attributes:
        comparison: all figures; None where the answers cannot be compared at all.
        reason: why they do not pass, in words; None when they do.
    """

    comparison: Comparison | None
    reason: str | None


def judge(
    reference: Reference, input_shape: Sequence[int], probabilities: NDArray[np.float32], tolerance: Tolerance
) -> Judgement:
    """Hold an artifact's answers to the Keras model's: the one judgement of ``export`` and of ``verify``.

    Args:
        reference: images with their labels and the Keras model's probabilities.
        input_shape: the artifact's (height, width, 3).
        probabilities: the artifact's answers to the same images, of whatever shape and values.
        tolerance: what they have to meet.
    """
    if reason := unusable(reference, input_shape, probabilities):
        return Judgement(comparison=None, reason=reason)
    comparison = compare(reference, probabilities, tolerance.margin)
    return Judgement(comparison=comparison, reason=shortfall(comparison, tolerance))


def shortfall(comparison: Comparison, tolerance: Tolerance) -> str | None:
    """The first figure that misses the tolerance, in words; None when all are met."""
    close, drop = comparison.agreement, comparison.drop
    if fault := _too_far(comparison.differences, tolerance):
        return fault
    if tolerance.top1_agreement is not None and len(close.changed) > _ties(tolerance.top1_agreement, close.images):
        return (
            f"{len(close.changed)} of {close.images} images changed class ({close.top1_agreement:.2%} agree, "
            f"at least {tolerance.top1_agreement:.1%} must), the first is image {close.changed[0]}"
        )
    if comparison.confident_agreement < tolerance.confident_agreement:
        return (
            f"{len(comparison.confident_changes)} of the {comparison.confident_images} images that Keras is sure of "
            f"(margin over {tolerance.margin:g}) changed class ({comparison.confident_agreement:.1%} agree, at least "
            f"{tolerance.confident_agreement:.0%} must), the first is image {comparison.confident_changes[0]}"
        )
    if tolerance.max_drop is not None and drop.low > tolerance.max_drop:
        return (
            f"accuracy fell by {drop.points:.1f} points (95 % interval {drop.low:.2f} to {drop.high:.2f}), "
            f"significantly more than the {tolerance.max_drop:g} allowed"
        )
    return _moved(comparison, tolerance)


def _moved(comparison: Comparison, tolerance: Tolerance) -> str | None:
    """Whether answers moved too far on average, or are surer or less sure than they were, in words."""
    variation, most = comparison.variation, tolerance.max_variation
    if most is not None and variation.low > most:
        return (
            f"its answers are {variation.value:.3f} off on average (95 % interval {variation.low:.3f} to "
            f"{variation.high:.3f}, half the sum of the differences), significantly more than the {most:g} allowed"
        )
    given, reference = comparison.calibration_error, comparison.reference_calibration_error
    shift = max(given.low - reference.high, reference.low - given.high)
    if tolerance.max_calibration_shift is not None and shift > tolerance.max_calibration_shift:
        return (
            f"its calibration error is {given.value:.3f} (95 % interval {given.low:.3f} to {given.high:.3f}), that of "
            f"the Keras model {reference.value:.3f} ({reference.low:.3f} to {reference.high:.3f}): it is not as sure "
            "of its answers as the model is"
        )
    return None


def _ties(agreement: float, images: int) -> int:
    """How many images may change class: one at least, for a tie among few tips over as one among many does."""
    return max(1, int((1.0 - agreement) * images))


def _too_far(differences: NDArray[np.float32], tolerance: Tolerance) -> str | None:
    """Whether probabilities lie farther apart than they may, or in too many images."""
    if tolerance.max_abs_diff is None:
        return None
    exceptions = int((tolerance.outliers or 0.0) * len(differences))
    most = tolerance.outlier_abs_diff if exceptions and tolerance.outlier_abs_diff else tolerance.max_abs_diff
    beyond = int(np.count_nonzero(differences > tolerance.max_abs_diff))
    if beyond <= exceptions and differences.max() <= most:
        return None
    worst = int(differences.argmax())
    allowed = f"{tolerance.max_abs_diff:g}"
    allowed += f" in all but {exceptions} of the images, {most:g} in those" if exceptions else ""
    return f"a probability is {differences[worst]:.2g} off (allowed {allowed}), most at image {worst}"


def unusable(reference: Reference, input_shape: Sequence[int], probabilities: NDArray[np.float32]) -> str | None:
    """Why answers cannot be compared at all, in words; None when they can.

    Args:
        reference: what they are to be compared with.
        input_shape: the artifact's (height, width, 3).
        probabilities: the artifact's answers.
    """
    if reason := misfit(reference, input_shape, probabilities, len(reference.labels)):
        return reason
    broken = np.flatnonzero(~np.all(np.isfinite(probabilities), axis=1))
    if len(broken):
        return (
            f"its answers to {len(broken)} of {len(probabilities)} images are not numbers (NaN or infinite), "
            f"the first is image {broken[0]}"
        )
    return no_probabilities(reference.probabilities, probabilities) or always_the_same(
        reference.probabilities, probabilities
    )


def misfit(
    reference: Reference, input_shape: Sequence[int], probabilities: NDArray[np.float32] | None, images: int
) -> str | None:
    """Why an artifact's input or its answers are of another shape than the Keras model's; None when they are not.

    Args:
        reference: images as the artifact should take them, with the Keras model's answers.
        input_shape: the artifact's (height, width, 3).
        probabilities: the artifact's answers; None where it could not be shown the images.
        images: how many images it was to answer.
    """
    if tuple(input_shape) != reference.images.shape[1:]:
        return f"it takes images of {_by(input_shape)}, the reference holds {_by(reference.images.shape[1:])}"
    expected = (images, *reference.probabilities.shape[1:])
    if probabilities is None or probabilities.shape != expected:
        shape = _by(probabilities.shape) if probabilities is not None else "nothing"
        return f"it answers with shape {shape} where the Keras model gave {_by(expected)} (images by classes)"
    return None


def _by(shape: Sequence[int]) -> str:
    return " by ".join(str(side) for side in shape)
