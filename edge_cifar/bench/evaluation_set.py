"""The images that a subject is evaluated on, and the evaluation of its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_cifar import class_names
from edge_cifar.data import mapped_images
from edge_cifar.data.arrays import numbered_names
from edge_cifar.data.mapped_images import Images
from edge_cifar.documents.accuracy import Accuracy, DataSource
from edge_cifar.documents.bench_figures import DetailedAccuracy, KerasAgreement
from edge_cifar.evaluation import shapes
from edge_cifar.evaluation.agreement import Agreement
from edge_cifar.evaluation.comparison import Comparison
from edge_cifar.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    majority_share,
)
from edge_cifar.evaluation.paired import PairedDrop

Probabilities = NDArray[np.float32]

_LARGEST_MATRIX = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSet:
    """Images with their true classes and, where they are known, the Keras model's answers.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255, N at least 1; in memory or in a file.
        labels: int64 ``[N]``, true classes.
        classes: number of classes.
        names: of the classes, in their order; empty where they are not known.
        reference: float32 ``[N, classes]``, the Keras model's probabilities.
        data: where the images come from; None where that is not known.
    """

    images: Images
    labels: NDArray[np.int64]
    classes: int
    names: tuple[str, ...] = ()
    reference: Probabilities | None = None
    data: DataSource | None = None

    @cached_property
    def _sha256(self) -> str:
        """Checksum of these images and labels: two bundles may hold different images of one data set."""
        digest = hashlib.sha256()
        mapped_images.update(digest, self.images)
        digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def misfit(self, input_shape: tuple[int, ...], classes: int) -> str | None:
        """Why a model cannot be evaluated on these images, in words; None when it can.

        Args:
            input_shape: the model's (height, width, 3).
            classes: how many it tells apart.
        """
        name, count = self.data.name if self.data else "the data", len(self.images)
        answers, gives = (count, self.classes), (count, classes)
        return shapes.misfit(name, self.images.shape[1:], answers, takes=input_shape, gives=gives)

    def in_order(self, answers: Probabilities, labels: Sequence[str] | None) -> Probabilities:
        """Answers of a model whose classes have the same names in another order, in the order of these images' classes.

        Args:
            answers: ``[N, classes]``.
            labels: names of the model's classes; None where they are not known.
        """
        places = class_names.places(labels, self.names)
        return answers if places is None else answers[:, places]

    def named_otherwise(self, labels: Sequence[str] | None) -> bool:
        """Whether none of a model's classes has the name of one of these images', so that they go by their order.

        Args:
            labels: names of the model's classes; None where they are not known.
        """
        if not labels or self.names in ((), numbered_names(len(self.names))):
            return False
        return not set(labels) & set(self.names)

    def evaluate(self, answers: Probabilities) -> Evaluation:
        """Evaluate the answers.

        Args:
            answers: float32 ``[N, classes]``.
        """
        predicted = answers.argmax(axis=1)
        compared = (
            None if self.reference is None else Comparison(labels=self.labels, expected=self.reference, given=answers)
        )
        small = self.classes <= _LARGEST_MATRIX
        return Evaluation(
            data=self.data,
            accuracy=DetailedAccuracy(
                **Accuracy.of(accuracy(self.labels, answers)).to_json(),
                calibration_error=calibration_error(self.labels, answers),
                majority=majority_share(self.labels),
                balanced=balanced_accuracy(self.labels, predicted),
                images_sha256=self._sha256,
                labels=self.names,
                confusion=_as_tuples(confusion_matrix(self.labels, predicted, self.classes)) if small else (),
                correct=np.packbits(predicted == self.labels).tobytes(),
            ),
            agreement=_agreement(compared.agreement) if compared else None,
            drop=compared.drop if compared else None,
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracy of a subject and its agreement with the Keras model.

    Attributes:
        data: where the images came from; None where that is not known.
        accuracy: on them.
        agreement: with the Keras model, where its answers are known.
        drop: accuracy lost against the Keras model, likewise.
    """

    data: DataSource | None
    accuracy: DetailedAccuracy
    agreement: KerasAgreement | None
    drop: PairedDrop | None


def _agreement(close: Agreement) -> KerasAgreement:
    return KerasAgreement(
        top1=close.top1_agreement,
        max_abs_diff=close.max_abs_diff,
        mean_abs_diff=close.mean_abs_diff,
        images=close.images,
    )


def _as_tuples(matrix: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, line)) for line in matrix)
