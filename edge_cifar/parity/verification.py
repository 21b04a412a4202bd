"""The outcome for one artifact, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_cifar.evaluation.comparison import Comparison
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.parity.inspection import Inspection
from edge_cifar.parity.layers import Drift
from edge_cifar.parity.tolerances import Tolerance
from edge_cifar.variant import Variant

Status = Literal["pass", "fail", "unverified"]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of verifying one artifact.

    Attributes:
        model: name of the run that the bundle was exported from.
        variant: which artifact.
        sha256: of the artifact; empty for one that is not what the manifest lists.
        status: ``unverified`` when no runtime for it can run on this machine.
        method: the runtime that gave, or would have given, its answers.
        images: number of images it was asked about; 0 when it gave no answers.
        tolerance: what it was held to.
        reason: one sentence saying what failed or why it is unverified; None for a pass.
        seconds: time that its answers took, start of the runtime included.
        labels: class names.
        data: where the images come from: ``name``, ``checksum``, ``synthetic``.
        comparison: all figures; None when there were no answers to compare.
        inspection: its file held against its fp32 sibling's and against its ranges in the manifest; None where it
            was not looked into.
        layers: the Keras model's layers in it; None where nobody asked.
        backends: the runtime's other backends that were held to the same; the figures are those of its first.
    """

    model: str
    variant: Variant
    status: Status
    method: str
    images: int
    tolerance: Tolerance
    reason: str | None
    seconds: float
    labels: Sequence[str]
    comparison: Comparison | None
    data: Mapping[str, Any] = field(default_factory=dict)
    inspection: Inspection | None = None
    layers: Drift | None = None
    backends: tuple[str, ...] = ()
    sha256: str = ""

    def document(self) -> dict[str, Any]:
        """This outcome as JSON; figures that could not be measured are null."""
        figures = _figures(self.comparison, self.tolerance.margin, self.labels) if self.comparison else _NO_FIGURES
        return {
            "model": self.model,
            "variant": str(self.variant),
            "sha256": self.sha256 or None,
            "status": self.status,
            "method": self.method,
            "images": self.images,
            "data": dict(self.data),
            **figures,
            **(self.inspection.document() if self.inspection else {"weights": None, "ranges": None}),
            "tolerance": self.tolerance.document(),
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            **({"backends": list(self.backends)} if self.backends else {}),
            **({"layers": self.layers.document()} if self.layers else {}),
        }


def _figures(comparison: Comparison, margin: float, labels: Sequence[str]) -> dict[str, Any]:
    close, drop = comparison.agreement, comparison.drop
    return {
        "max_abs_diff": close.max_abs_diff,
        "mean_abs_diff": close.mean_abs_diff,
        "total_variation": _interval(comparison.variation),
        "top1_agreement": close.top1_agreement,
        "kl_divergence": close.kl_divergence,
        "confident": {
            "margin": margin,
            "images": comparison.confident_images,
            "agreement": comparison.confident_agreement,
        },
        "changed": [
            {
                "image": change.image,
                "label": labels[change.label],
                "reference": labels[change.reference],
                "artifact": labels[change.artifact],
            }
            for change in comparison.changes
        ],
        "accuracy": _interval(comparison.accuracy),
        "reference_accuracy": _interval(comparison.reference_accuracy),
        "calibration_error": _interval(comparison.calibration_error),
        "reference_calibration_error": _interval(comparison.reference_calibration_error),
        "accuracy_drop": {"points": drop.points, "low": drop.low, "high": drop.high, "p_value": drop.p_value},
    }


_NO_FIGURES = dict.fromkeys(
    (
        "max_abs_diff",
        "mean_abs_diff",
        "total_variation",
        "top1_agreement",
        "kl_divergence",
        "confident",
        "changed",
        "accuracy",
        "reference_accuracy",
        "calibration_error",
        "reference_calibration_error",
        "accuracy_drop",
    )
)


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}
