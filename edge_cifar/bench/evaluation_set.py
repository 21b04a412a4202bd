"""The images that a subject is evaluated on, and what its answers to them are worth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.evaluation.agreement import Agreement, agreement
from edge_cifar.evaluation.metrics import Interval, accuracy, calibration_error, confusion_matrix
from edge_cifar.evaluation.paired import PairedDrop, paired_drop

Probabilities = NDArray[np.float32]

_LARGEST_MATRIX = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSet:
    """Images with their true classes and, where they are known, the Keras model's answers.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255, N at least 1.
        labels: int64 ``[N]``, true classes.
        classes: number of classes.
        names: of the classes, in their order; empty where they are not known.
        reference: float32 ``[N, classes]``, the Keras model's probabilities.
        facts: where the images come from: ``name``, ``checksum``, ``synthetic``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int
    names: tuple[str, ...] = ()
    reference: Probabilities | None = None
    facts: Mapping[str, Any]

    @cached_property
    def _sha256(self) -> str:
        """Over the very images and labels: of one data set, two bundles may have taken different ones."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()

    def refusal(self, input_shape: tuple[int, ...], classes: int) -> str | None:
        """Why a model cannot be asked these images; None when it can."""
        if tuple(self.images.shape[1:]) != input_shape:
            return f"it takes images of {_sides(input_shape)}, {self.facts['name']} has {_sides(self.images.shape[1:])}"
        if classes != self.classes:
            return f"it knows {classes} classes, {self.facts['name']} has {self.classes}"
        return None

    def evaluate(self, answers: Probabilities) -> Evaluation:
        """Evaluate the answers.

        Args:
            answers: float32 ``[N, classes]``.
        """
        reference, predicted = self.reference, answers.argmax(axis=1)
        return Evaluation(
            accuracy=accuracy(self.labels, answers),
            calibration_error=calibration_error(self.labels, answers),
            correct=predicted == self.labels,
            majority=float(np.bincount(self.labels).max() / len(self.labels)),
            images_sha256=self._sha256,
            labels=self.names,
            confusion=(
                confusion_matrix(self.labels, predicted, self.classes) if self.classes <= _LARGEST_MATRIX else None
            ),
            agreement=None if reference is None else agreement(reference, answers),
            drop=None if reference is None else paired_drop(self.labels, reference, answers),
            facts=self.facts,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a subject's answers are worth.

    Attributes:
        accuracy: share of images whose most probable class is the true one, with its interval.
        calibration_error: expected calibration error, 0..1.
        correct: bool ``[N]``, image by image, so that later results can be compared in pairs.
        majority: share of images of the commonest class: what always naming it gets right.
        images_sha256: over the images and their labels.
        labels: names of the classes; empty where they are not known.
        confusion: int64 ``[classes, classes]``, images by true and by predicted class; None for more
            classes than such a table is read with.
        agreement: with the Keras model, where its answers are known.
        drop: accuracy lost against the Keras model, likewise.
        facts: where the images came from.
    """

    accuracy: Interval
    calibration_error: float
    correct: NDArray[np.bool_]
    majority: float
    images_sha256: str
    labels: tuple[str, ...]
    confusion: NDArray[np.int64] | None
    agreement: Agreement | None
    drop: PairedDrop | None
    facts: Mapping[str, Any]


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
