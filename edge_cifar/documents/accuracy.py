"""How every document writes an accuracy, a paired drop, and what was measured on which images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.documents.fields import Fields
from edge_cifar.errors import UsageError
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Share of images whose most probable class is the true one, with its 95 % interval.

    Attributes:
        top1: the share, 0..1.
        low: lower end of the interval, 0..1.
        high: upper end of it, 0..1.
        images: how many images.
    """

    top1: float
    low: float
    high: float
    images: int

    @classmethod
    def of(cls, interval: Interval) -> Accuracy:
        """The accuracy that :func:`edge_cifar.evaluation.metrics.accuracy` measured."""
        return cls(top1=interval.value, low=interval.low, high=interval.high, images=interval.count)

    def to_json(self) -> dict[str, Any]:
        """``{"top1", "low", "high", "images"}``."""
        return {"top1": self.top1, "low": self.low, "high": self.high, "images": self.images}

    @classmethod
    def from_json(cls, fields: Fields) -> Accuracy:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or no number.
        """
        return cls(
            top1=fields.required_number("top1"),
            low=fields.required_number("low"),
            high=fields.required_number("high"),
            images=fields.required_whole("images"),
        )


@dataclass(frozen=True, kw_only=True)
class TestResult(Accuracy):
    """What a trained model reached on the test images.

    Attributes:
        precision, recall, f1: plain averages over the classes, in 0..1.
        calibration_error: expected calibration error, 0..1.
        balanced_accuracy: mean over the classes of the share of their images that are right, 0..1; None where it was
            not told.
    """

    # Not a test, whatever pytest takes its name for.
    __test__ = False

    precision: float
    recall: float
    f1: float
    calibration_error: float
    balanced_accuracy: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> TestResult:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or no number.
        """
        return cls(
            **Accuracy.from_json(fields).to_json(),
            precision=fields.required_number("precision"),
            recall=fields.required_number("recall"),
            f1=fields.required_number("f1"),
            calibration_error=fields.required_number("calibration_error"),
            balanced_accuracy=fields.number("balanced_accuracy"),
        )


def drop_to_json(drop: PairedDrop) -> dict[str, Any]:
    """``{"points", "low", "high", "p_value", "images"}``; the first three in percentage points."""
    return {
        "points": drop.points,
        "low": drop.low,
        "high": drop.high,
        "p_value": drop.p_value,
        "images": drop.images,
    }


def drop_from_json(fields: Fields) -> PairedDrop:
    """Read what :func:`drop_to_json` writes.

    Raises:
        BundleError: a figure is missing or no number.
    """
    return PairedDrop(
        points=fields.required_number("points"),
        low=fields.required_number("low"),
        high=fields.required_number("high"),
        p_value=fields.required_number("p_value"),
        images=fields.required_whole("images"),
    )


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """``{"value", "low", "high"}``, for an estimate other than an accuracy."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def interval_from_json(fields: Fields, count: int) -> Interval:
    """Read what :func:`interval_to_json` writes.

    Args:
        fields: the estimate.
        count: number of observations behind it, which the document tells elsewhere.

    Raises:
        BundleError: a figure is missing or no number.
    """
    return Interval(
        value=fields.required_number("value"),
        low=fields.required_number("low"),
        high=fields.required_number("high"),
        count=count,
    )


def variant_from_json(fields: Fields, key: str) -> Variant:
    """Read a variant's string.

    Raises:
        BundleError: it is missing or none.
    """
    try:
        return Variant.parse(fields.required_text(key))
    except UsageError as error:
        raise fields.refuse(key, "FORMAT-PRECISION") from error


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where images come from.

    Attributes:
        name: as on the command line.
        synthetic: True for images made by code.
        checksum: sha256 over images and labels; None where it was not told.
    """

    name: str
    synthetic: bool = False
    checksum: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"name", "checksum", "synthetic"}``."""
        return {"name": self.name, "checksum": self.checksum, "synthetic": self.synthetic}

    @classmethod
    def from_json(cls, fields: Fields) -> DataSource | None:
        """Read what :meth:`to_json` writes; None where no name is told."""
        name = fields.text("name")
        if name is None:
            return None
        return cls(name=name, synthetic=bool(fields.flag("synthetic")), checksum=fields.text("checksum"))
