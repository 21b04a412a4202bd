"""The figures of a verification: an artifact's answers beside the Keras model's, and what they are held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from dataclasses import fields as attributes
from typing import Any

from edge_cifar.documents.accuracy import Accuracy, drop_from_json, drop_to_json, interval_from_json, interval_to_json
from edge_cifar.documents.fields import Fields
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.evaluation.paired import PairedDrop


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What an artifact has to meet; None where a precision is not held to a figure.

    Attributes:
        max_abs_diff: largest difference of any probability.
        outliers: share of the images, rounded down to whole ones, that may lie farther apart;
        outlier_abs_diff: but by no more than this.
        top1_agreement: smallest share of all images with the same most probable class; one image may
            always change.
        margin: an image is confident when Keras' first probability exceeds its second by more.
        confident_agreement: smallest share of the confident images with the same class.
        max_variation: mean total variation distance between the two answers to an image (half the sum of the
            absolute differences, 0 to 1) that the 95 % interval must reach down to.
        max_calibration_shift: how far the 95 % intervals of the two calibration errors may lie apart.
        max_drop: loss of accuracy, in percentage points, that the paired 95 % interval must reach
            down to: the loss fails when it is significantly larger.
    """

    margin: float
    confident_agreement: float
    max_abs_diff: float | None = None
    outliers: float | None = None
    outlier_abs_diff: float | None = None
    top1_agreement: float | None = None
    max_variation: float | None = None
    max_calibration_shift: float | None = None
    max_drop: float | None = None

    def to_json(self) -> dict[str, float]:
        """The figures that apply."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> Tolerance:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is no number, or one that always applies is missing.
        """
        fields.required_number("margin")
        fields.required_number("confident_agreement")
        told = {one.name: fields.number(one.name) for one in attributes(cls)}
        return cls(**{name: value for name, value in told.items() if value is not None})


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
    label: str
    reference: str
    artifact: str

    @classmethod
    def from_json(cls, fields: Fields) -> Change:
        """Read the attributes by their names.

        Raises:
            BundleError: one is missing or has another type.
        """
        return cls(
            image=fields.required_whole("image"),
            label=fields.required_text("label"),
            reference=fields.required_text("reference"),
            artifact=fields.required_text("artifact"),
        )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All figures of an artifact's answers beside the Keras model's.

    Attributes:
        max_abs_diff: largest difference of a probability.
        mean_abs_diff: mean over images and classes.
        total_variation: mean total variation distance over the images, 0 to 1; None in reports of older versions.
        top1_agreement: share of images with the same most probable class, 0..1.
        kl_divergence: mean Kullback-Leibler divergence, in nats.
        confident_margin: an image is confident when Keras' first probability exceeds its second by more.
        confident_images: how many are.
        confident_agreement: share of those with the same class.
        changed: all images whose class changed.
        accuracy: of the artifact.
        reference_accuracy: of the Keras model.
        calibration_error: of the artifact.
        reference_calibration_error: of the Keras model.
        drop: accuracy lost, paired over the images.
    """

    max_abs_diff: float
    mean_abs_diff: float
    total_variation: Interval | None
    top1_agreement: float
    kl_divergence: float
    confident_margin: float
    confident_images: int
    confident_agreement: float
    changed: tuple[Change, ...]
    accuracy: Accuracy
    reference_accuracy: Accuracy
    calibration_error: Interval
    reference_calibration_error: Interval
    drop: PairedDrop

    def to_json(self) -> dict[str, Any]:
        """The figures as a row holds them."""
        return {
            "max_abs_diff": self.max_abs_diff,
            "mean_abs_diff": self.mean_abs_diff,
            "total_variation": interval_to_json(self.total_variation) if self.total_variation else None,
            "top1_agreement": self.top1_agreement,
            "kl_divergence": self.kl_divergence,
            "confident": {
                "margin": self.confident_margin,
                "images": self.confident_images,
                "agreement": self.confident_agreement,
            },
            "changed": [asdict(change) for change in self.changed],
            "accuracy": self.accuracy.to_json(),
            "reference_accuracy": self.reference_accuracy.to_json(),
            "calibration_error": interval_to_json(self.calibration_error),
            "reference_calibration_error": interval_to_json(self.reference_calibration_error),
            "drop": drop_to_json(self.drop),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Figures:
        """Read what :meth:`to_json` writes, from the row.

        Raises:
            BundleError: a figure is missing or has another type.
        """
        accuracy, confident = Accuracy.from_json(fields.child("accuracy")), fields.child("confident")

        def interval(name: str) -> Interval:
            return interval_from_json(fields.child(name), accuracy.images)

        return cls(
            max_abs_diff=fields.required_number("max_abs_diff"),
            mean_abs_diff=fields.required_number("mean_abs_diff"),
            total_variation=interval("total_variation") if fields.has("total_variation") else None,
            top1_agreement=fields.required_number("top1_agreement"),
            kl_divergence=fields.required_number("kl_divergence"),
            confident_margin=confident.required_number("margin"),
            confident_images=confident.required_whole("images"),
            confident_agreement=confident.required_number("agreement"),
            changed=tuple(map(Change.from_json, fields.children("changed"))),
            accuracy=accuracy,
            reference_accuracy=Accuracy.from_json(fields.child("reference_accuracy")),
            calibration_error=interval("calibration_error"),
            reference_calibration_error=interval("reference_calibration_error"),
            drop=drop_from_json(fields.child("drop")),
        )


NO_FIGURES = dict.fromkeys(
    (
        *("max_abs_diff", "mean_abs_diff", "total_variation", "top1_agreement", "kl_divergence", "confident"),
        *("changed", "accuracy", "reference_accuracy", "calibration_error", "reference_calibration_error", "drop"),
    )
)
