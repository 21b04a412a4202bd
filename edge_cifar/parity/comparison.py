"""Whether an artifact's answers meet a tolerance, and in words why they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verify_figures import Tolerance
from edge_cifar.evaluation import shapes
from edge_cifar.evaluation.comparison import Comparison
from edge_cifar.parity.diagnosis import always_the_same, no_probabilities


def compare(reference: Reference, probabilities: NDArray[np.float32], over: float) -> Comparison:
    """Compare an artifact's answers with the Keras model's.

    Args:
        reference: the images' labels and the Keras model's probabilities.
        probabilities: float32 ``[N, classes]``, the artifact's answers to the same images, which
            :func:`unusable` found nothing wrong with.
        over: the Keras margin beyond which an image is confident.
    """
    return Comparison(labels=reference.labels, expected=reference.probabilities, given=probabilities, margin=over)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on an artifact's answers, by one tolerance.

    Attributes:
        comparison: all figures; None where the answers cannot be compared at all.
        reason: why they do not pass, in words; None when they do.
    """

    comparison: Comparison | None
    reason: str | None


def judge(
    reference: Reference, input_shape: Sequence[int], probabilities: NDArray[np.float32], tolerance: Tolerance
) -> Verdict:
    """Check an artifact's answers against the Keras model's; ``export`` and ``verify`` each have their own tolerance.

    Args:
        reference: images with their labels and the Keras model's probabilities.
        input_shape: the artifact's (height, width, 3).
        probabilities: the artifact's answers to the same images, of whatever shape and values.
        tolerance: what they have to meet.
    """
    if reason := unusable(reference, input_shape, probabilities):
        return Verdict(comparison=None, reason=reason)
    comparison = compare(reference, probabilities, tolerance.margin)
    return Verdict(comparison=comparison, reason=shortfall(comparison, tolerance))


def shortfall(comparison: Comparison, tolerance: Tolerance) -> str | None:
    """The first figure that misses the tolerance, in words; None when all are met."""
    close, drop = comparison.agreement, comparison.drop
    if fault := _too_far(comparison.differences, tolerance):
        return fault
    if tolerance.top1_agreement is not None and len(close.changed) > _ties(tolerance.top1_agreement, close.images):
        return (
            f"top-1 differs on {len(close.changed)} of {close.images} images ({close.top1_agreement:.2%} agreement, "
            f"at least {tolerance.top1_agreement:.1%} required), first on image {close.changed[0]}"
        )
    if comparison.confident_agreement < tolerance.confident_agreement:
        return (
            f"top-1 differs on {len(comparison.confident_changes)} of {comparison.confident_images} high-confidence "
            f"images (margin > {tolerance.margin:g}; {comparison.confident_agreement:.1%} agreement, at least "
            f"{tolerance.confident_agreement:.0%} required), first on image {comparison.confident_changes[0]}"
        )
    if tolerance.max_drop is not None and drop.low > tolerance.max_drop:
        return (
            f"accuracy drops {drop.points:.1f} points (95 % interval {drop.low:.2f} to {drop.high:.2f}), "
            f"significantly more than the {tolerance.max_drop:g} allowed"
        )
    return _moved(comparison, tolerance)


def _moved(comparison: Comparison, tolerance: Tolerance) -> str | None:
    """Whether answers moved too far on average, or became more or less confident, in words."""
    variation, most = comparison.variation, tolerance.max_variation
    if most is not None and variation.low > most:
        return (
            f"the mean total variation distance of its probabilities is {variation.value:.3f} (95 % interval "
            f"{variation.low:.3f} to {variation.high:.3f}), significantly more than the {most:g} allowed"
        )
    given, reference = comparison.calibration_error, comparison.reference_calibration_error
    shift = max(given.low - reference.high, reference.low - given.high)
    if tolerance.max_calibration_shift is not None and shift > tolerance.max_calibration_shift:
        return (
            f"its confidence has shifted: the calibration error is {given.value:.3f} (95 % interval {given.low:.3f} to "
            f"{given.high:.3f}), the reference's {reference.value:.3f} ({reference.low:.3f} to {reference.high:.3f})"
        )
    return None


def _ties(agreement: float, images: int) -> int:
    """How many images may change class: at least one, since a single tie may go either way."""
    return max(1, int((1.0 - agreement) * images))


def _too_far(differences: NDArray[np.float32], tolerance: Tolerance) -> str | None:
    """Whether probabilities differ by more than is allowed, or for too many images."""
    if tolerance.max_abs_diff is None:
        return None
    exceptions = int((tolerance.outliers or 0.0) * len(differences))
    most = tolerance.outlier_abs_diff if exceptions and tolerance.outlier_abs_diff else tolerance.max_abs_diff
    beyond = int(np.count_nonzero(differences > tolerance.max_abs_diff))
    if beyond <= exceptions and differences.max() <= most:
        return None
    worst = int(differences.argmax())
    allowed = f"{tolerance.max_abs_diff:g}"
    allowed += f", or up to {most:g} on {exceptions} of the images" if exceptions else ""
    return f"a probability differs by {differences[worst]:.2g} (allowed: {allowed}), most on image {worst}"


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
        return f"outputs NaN or infinity for {len(broken)} of {len(probabilities)} images, first for image {broken[0]}"
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
    return shapes.misfit(
        "the reference",
        reference.images.shape[1:],
        (images, *reference.probabilities.shape[1:]),
        takes=input_shape,
        gives=None if probabilities is None else probabilities.shape,
    )
