"""The figures of a benchmark's row: accuracy, agreement with the Keras model, latency, ratio to a baseline."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.accuracy import Accuracy, interval_from_json, interval_to_json
from edge_cifar.documents.fields import Fields
from edge_cifar.evaluation.class_order import one_for_one
from edge_cifar.evaluation.metrics import Interval

# A difference of accuracies that is worth a word.
_NOTABLE = 0.01
# Share of a class's images that are taken for one class, where its number stands for that one.
_CLEARLY = 0.6


@dataclass(frozen=True, kw_only=True)
class DetailedAccuracy(Accuracy):
    """An accuracy with what it takes to compare it with another one's on the same images.

    Attributes:
        majority: share of images of the commonest class: what always naming it gets right; None where it was not told.
        balanced: balanced accuracy, 0..1; None where it was not told.
        images_sha256: over the images and their labels; None where it was not told.
        calibration_error: expected calibration error, 0..1; None where it was not told.
        labels: names of the classes; empty where they are not known.
        confusion: images by true class (rows) and by predicted class; empty for more classes than such a table is
            read with.
        correct: one bit an image, whether it was classified correctly, packed; empty where that was not told.
    """

    majority: float | None = None
    balanced: float | None = None
    images_sha256: str | None = None
    calibration_error: float | None = None
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    correct: bytes = b""

    @property
    def unbalanced(self) -> bool:
        """Whether balanced accuracy tells something else, as classes of unequal size are of unequal difficulty."""
        return self.balanced is not None and abs(self.balanced - self.top1) >= _NOTABLE

    @property
    def chance(self) -> float:
        """The accuracy of guessing on the same images: of always predicting the most common class.

        If the images per class are unknown, that of predicting any one class; 0 if their number is unknown too.
        """
        if self.majority is not None:
            return self.majority
        if images := sum(map(sum, self.confusion)):
            return max(map(sum, self.confusion)) / images
        return 1 / len(self.labels) if self.labels else 0.0

    @property
    def as_guessed(self) -> bool:
        """Whether it is not distinguishable from guessing: its 95 % interval includes that."""
        return self.low <= self.chance

    @property
    def permuted(self) -> tuple[str, ...]:
        """Class names in the order that the answers suggest; empty where they suggest none but the one taken.

        They do where most images of every class are taken for one class, each class's for another one.
        """
        if not self.confusion or len(self.labels) != len(self.confusion):
            return ()
        taken_for, share = one_for_one(np.array(self.confusion))
        return tuple(self.labels[number] for number in np.argsort(taken_for)) if share >= _CLEARLY else ()

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool ``[images]``: image by image, whether the answer was right."""
        return np.unpackbits(np.frombuffer(self.correct, np.uint8), count=self.images).astype(np.bool_)

    def to_json(self) -> dict[str, Any]:
        """An accuracy, and beside it what compares it."""
        return {
            **super().to_json(),
            "majority": self.majority,
            "balanced": self.balanced,
            "images_sha256": self.images_sha256,
            "calibration_error": self.calibration_error,
            "labels": list(self.labels),
            "confusion": [list(line) for line in self.confusion] or None,
            "correct": base64.b64encode(self.correct).decode("ascii"),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> DetailedAccuracy:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing, has another type, or contradicts another.
        """
        plain = Accuracy.from_json(fields)
        labels, confusion = tuple(map(str, fields.items("labels"))), fields.matrix("confusion")
        if labels and confusion and len(labels) != len(confusion):
            raise fields.refuse("confusion", f"as many lines as there are labels, {len(labels)}")
        try:
            correct = base64.b64decode(fields.text("correct") or "", validate=True)
        except (binascii.Error, ValueError):
            correct = b"?"
        if correct and len(correct) != -(-plain.images // 8):
            raise fields.refuse("correct", "a bit for each image, in base64")
        return cls(
            **plain.to_json(),
            majority=fields.number("majority"),
            balanced=fields.number("balanced"),
            images_sha256=fields.text("images_sha256"),
            calibration_error=fields.number("calibration_error"),
            labels=labels,
            confusion=confusion,
            correct=correct,
        )


@dataclass(frozen=True, kw_only=True)
class KerasAgreement:
    """An artifact's answers held against the Keras model's.

    Attributes:
        top1: share of images with the same most probable class, 0..1.
        max_abs_diff: largest difference of a probability.
        mean_abs_diff: mean over images and classes.
        images: how many were compared.
    """

    top1: float
    max_abs_diff: float
    mean_abs_diff: float
    images: int

    def to_json(self) -> dict[str, Any]:
        """``{"top1", "max_abs_diff", "mean_abs_diff", "images"}``."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> KerasAgreement:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or no number.
        """
        return cls(
            top1=fields.required_number("top1"),
            max_abs_diff=fields.required_number("max_abs_diff"),
            mean_abs_diff=fields.required_number("mean_abs_diff"),
            images=fields.required_whole("images"),
        )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one inference takes, in milliseconds where nothing else is said.

    Attributes:
        median: median of the windows' medians.
        low: lower end of the median's 95 % interval, over the windows.
        high: upper end of it.
        p90: 90th percentile over all inferences of all windows.
        p99: 99th percentile likewise.
        mean: over all inferences.
        first: the first inference after loading; median over the processes that were started.
        spread: interquartile range of the windows' medians, as a share of the median.
        windows: each window's median, in the order they were taken.
        inferences: how many were timed.
    """

    median: float
    low: float
    high: float
    p90: float
    p99: float
    mean: float
    first: float
    spread: float
    windows: tuple[float, ...]
    inferences: int

    def to_json(self) -> dict[str, Any]:
        """The figures by their names."""
        return {**asdict(self), "windows": list(self.windows)}

    @classmethod
    def from_json(cls, fields: Fields) -> Latency:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing, no number, or no duration.
        """
        names = ("median", "low", "high", "p90", "p99", "mean", "first", "spread")
        figures = {name: fields.required_number(name) for name in names}
        for name in names[:-1]:
            if figures[name] <= 0:
                raise fields.refuse(name, "a duration")
        return cls(**figures, windows=fields.numbers("windows"), inferences=fields.required_whole("inferences"))


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as long one inference takes as that of a baseline.

    Attributes:
        to: the baseline: its variant, or a bare file's name.
        interval: over paired windows.
    """

    to: str
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """``{"to", "value", "low", "high", "pairs"}``."""
        return {"to": self.to, **interval_to_json(self.interval), "pairs": self.interval.count}

    @classmethod
    def from_json(cls, fields: Fields) -> Ratio:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or has another type.
        """
        return cls(to=fields.required_text("to"), interval=interval_from_json(fields, fields.required_whole("pairs")))
