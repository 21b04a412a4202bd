"""What every run folder holds beside its weights and its record: figures of the test images, and their pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.mapped_images import Images
from edge_cifar.documents.accuracy import Accuracy, TestResult
from edge_cifar.documents.class_report import ClassReport
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.run import Run
from edge_cifar.evaluation import metrics, scores
from edge_cifar.evaluation.metrics import ClassificationReport
from edge_cifar.progress import Progress
from edge_cifar.run_data import RunData

Predict = Callable[[Images], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Results:
    """A model's answers to a run's images, and what they are worth.

    Attributes:
        data: the images.
        probabilities: float32 ``[N, classes]``, of the test images.
        report: precision, recall and F1 by class.
        validation: accuracy on the validation images.
        test: on the test images.
    """

    data: RunData
    probabilities: NDArray[np.float32]
    report: ClassificationReport
    validation: Accuracy
    test: TestResult

    def write(self, run: Run) -> None:
        """Write the figures and the pictures into the run's folder."""
        from edge_cifar.report import figures

        labels, test = self.data.dataset.labels, self.data.test
        confusion = metrics.confusion_matrix(test.labels, self.probabilities.argmax(1), len(labels))
        matrix = tuple(tuple(row) for row in confusion.tolist())
        ClassReport(labels=labels, per_class=self.report.per_class, confusion=matrix).write(run.classes_path)
        Predictions.of(test.labels, self.probabilities).write(run.predictions_path)
        figures.confusion(confusion, labels, run.path / "confusion.png")
        figures.mistakes(test.images, test.labels, self.probabilities, labels, run.path / "mistakes.png")

    def say(self, progress: Progress) -> None:
        """Tell the test accuracy."""
        test, synthetic = self.test, "synthetic " if self.data.dataset.synthetic else ""
        accuracy, balanced = f"{test.top1:.2%}", f"{test.balanced_accuracy:.2%}"
        progress.say(
            f"test accuracy {accuracy} (95 % interval {test.low:.2%} to {test.high:.2%}) "
            f"on {test.images} {synthetic}images" + (f"; balanced accuracy {balanced}" if balanced != accuracy else "")
        )


def evaluated(predict: Predict, data: RunData) -> Results | None:
    """A model's answers to the validation and test images; None where they are no numbers.

    Args:
        predict: its probabilities for images.
        data: the images.
    """
    probabilities = predict(data.test.images)
    if not scores.are_numbers(probabilities):
        return None
    labels = data.test.labels
    report = metrics.classification_report(labels, probabilities, data.dataset.labels)
    validation = metrics.accuracy(data.validation.labels, predict(data.validation.images))
    return Results(
        data=data,
        probabilities=probabilities,
        report=report,
        validation=Accuracy.of(validation),
        test=TestResult(
            **Accuracy.of(metrics.accuracy(labels, probabilities)).to_json(),
            precision=report.precision,
            recall=report.recall,
            f1=report.f1,
            calibration_error=metrics.calibration_error(labels, probabilities),
            balanced_accuracy=metrics.balanced_accuracy(labels, probabilities.argmax(1)),
        ),
    )
