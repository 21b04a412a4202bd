"""The figures of a comparison, as the report of a verification holds them."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar.documents.accuracy import Accuracy
from edge_cifar.documents.verify_figures import Change, Figures
from edge_cifar.evaluation.comparison import Comparison


def figures(comparison: Comparison, margin: float, labels: Sequence[str]) -> Figures:
    """All figures of a comparison.

    Args:
        comparison: of an artifact's answers with the Keras model's.
        margin: the Keras margin beyond which it took an image for confident.
        labels: class names.
    """
    close = comparison.agreement
    return Figures(
        max_abs_diff=close.max_abs_diff,
        mean_abs_diff=close.mean_abs_diff,
        total_variation=comparison.variation,
        top1_agreement=close.top1_agreement,
        kl_divergence=close.kl_divergence,
        confident_margin=margin,
        confident_images=comparison.confident_images,
        confident_agreement=comparison.confident_agreement,
        changed=tuple(
            Change(
                image=change.image,
                label=labels[change.label],
                reference=labels[change.reference],
                artifact=labels[change.artifact],
            )
            for change in comparison.changes
        ),
        accuracy=Accuracy.of(comparison.accuracy),
        reference_accuracy=Accuracy.of(comparison.reference_accuracy),
        calibration_error=comparison.calibration_error,
        reference_calibration_error=comparison.reference_calibration_error,
        drop=comparison.drop,
    )
