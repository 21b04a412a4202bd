"""An artifact's answers beside the Keras model's to the same images: the one comparison of ``export``, ``verify`` and
``bench``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_cifar.evaluation.agreement import Agreement, agreement, confident_agreement, margin
from edge_cifar.evaluation.metrics import Interval, accuracy, calibration_interval
from edge_cifar.evaluation.paired import PairedDrop, paired_drop

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Everything that can be measured between an artifact and the Keras model; each figure is computed when asked for.

    Attributes:
        labels: int64 ``[N]``, true classes, N at least 1.
        expected: float32 ``[N, classes]``, the Keras model's probabilities.
        given: float32 ``[N, classes]``, the artifact's, all finite.
        margin: an image is confident when its Keras margin, 0 to 1, exceeds this.
    """

    labels: NDArray[np.int64]
    expected: NDArray[np.float32]
    given: NDArray[np.float32]
    margin: float = 0.0

    @cached_property
    def agreement(self) -> Agreement:
        """Differences of the probabilities and of the classes."""
        return agreement(self.expected, self.given)

    @cached_property
    def _confident(self) -> tuple[float, tuple[int, ...]]:
        share, flipped = confident_agreement(self.expected, self.given, self.margin)
        return share, tuple(int(image) for image in flipped)

    @property
    def confident_images(self) -> int:
        """Number of confident images."""
        return int(np.count_nonzero(margin(self.expected) > self.margin))

    @property
    def confident_agreement(self) -> float:
        """Share of the confident images with the same class; 1 where there are none."""
        return self._confident[0]

    @property
    def confident_changes(self) -> tuple[int, ...]:
        """Numbers of the confident images with another class."""
        return self._confident[1]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """All images whose class changed."""
        before, after = self.expected.argmax(axis=1), self.given.argmax(axis=1)
        return tuple(
            Change(image=image, label=int(self.labels[image]), reference=int(before[image]), artifact=int(after[image]))
            for image in self.agreement.changed
        )

    @cached_property
    def accuracy(self) -> Interval:
        """Of the artifact."""
        return accuracy(self.labels, self.given)

    @cached_property
    def reference_accuracy(self) -> Interval:
        """Of the Keras model."""
        return accuracy(self.labels, self.expected)

    @cached_property
    def calibration_error(self) -> Interval:
        """Of the artifact."""
        return calibration_interval(self.labels, self.given)

    @cached_property
    def reference_calibration_error(self) -> Interval:
        """Of the Keras model."""
        return calibration_interval(self.labels, self.expected)

    @cached_property
    def drop(self) -> PairedDrop:
        """Accuracy lost, paired over the images."""
        return paired_drop(self.labels, self.expected, self.given)

    @cached_property
    def differences(self) -> NDArray[np.float32]:
        """float32 ``[N]``, the largest difference of a probability in each image."""
        largest: NDArray[np.float32] = np.abs(self.expected - self.given).max(axis=1)
        return largest

    @cached_property
    def variation(self) -> Interval:
        """Mean total variation distance over the images, 0 to 1; its 95 % interval by the normal approximation."""
        distances = np.abs(self.expected - self.given).sum(axis=1, dtype=np.float64) / 2
        mean = float(distances.mean())
        half = _NORMAL_95 * float(distances.std()) / math.sqrt(len(distances))
        return Interval(value=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), count=len(distances))
