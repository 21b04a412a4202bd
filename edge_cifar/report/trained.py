"""A finished training, read from its record, its class report and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.run import Run
from edge_cifar.documents.run_record import Epoch, Phase, RunRecord
from edge_cifar.errors import EdgeCifarError
from edge_cifar.storage import files

_LARGEST_PICTURE_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class PhaseFacts:
    """The cost and the result of one phase.

    Attributes:
        trainable: which layers were trained, in words; empty if the record does not say.
        trainable_parameters: their number of parameters.
        batch_norm: ``kept`` or ``re-estimated``, if that was decided at its end; empty otherwise.
        best: the best validation accuracy of its epochs, in 0..1.
    """

    name: str
    epochs: int | None
    trainable: str
    trainable_parameters: int | None
    seconds: float | None
    batch_norm: str
    best: float | None


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Precision, recall and F1 of one class, in 0..1, and its number of test images."""

    label: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One finished training.

    Attributes:
        run: its folder.
        name: its name on the page: the folder's.
        accuracy, low, high: on the test images, in 0..1, with the 95 % interval.
        precision, recall, f1: macro averages, in 0..1.
        confusion: ``[C][C]`` counts, rows true; empty if the run has none.
        mistakes: the most confident errors as a PNG; None if the run has none.
        predictions: for all test images; None if the run has none.
        record: the whole record, for its provenance.
    """

    run: Run
    name: str
    backbone: str
    data: DataSource
    recipe: str | None
    weights: str | None
    parameters: int | None
    multiply_adds: int | None
    image_size: int | None
    seconds: float | None
    accuracy: float | None
    low: float | None
    high: float | None
    images: int | None
    precision: float | None
    recall: float | None
    f1: float | None
    calibration_error: float | None
    history: tuple[Epoch, ...]
    phases: tuple[PhaseFacts, ...]
    per_class: tuple[ClassFigures, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: bytes | None
    predictions: Predictions | None
    record: RunRecord


def read_run(run: Run) -> Trained:
    """Read a run folder; only its record is required.

    Raises:
        RunError: there is no record, it is not of this schema, or the predictions are damaged.
        EdgeCifarError: a value in it has the wrong type.
    """
    record = run.record()
    labels, per_class, confusion = _classification(run)
    return Trained(
        run=run,
        name=run.name,
        backbone=record.backbone,
        data=record.data,
        recipe=record.recipe_name,
        weights=record.weights,
        parameters=record.parameters,
        multiply_adds=record.multiply_adds,
        image_size=record.image_size,
        seconds=record.seconds,
        accuracy=record.test.top1,
        low=record.test.low,
        high=record.test.high,
        images=record.test.images,
        precision=record.test.precision,
        recall=record.test.recall,
        f1=record.test.f1,
        calibration_error=record.test.calibration_error,
        history=record.history,
        phases=tuple(_phase(phase, record) for phase in record.phases),
        per_class=per_class,
        labels=labels,
        confusion=confusion,
        mistakes=_picture(run),
        predictions=Predictions.read(run.predictions_path) if run.predictions_path.is_file() else None,
        record=record,
    )


def _phase(phase: Phase, record: RunRecord) -> PhaseFacts:
    reached = [row.val_accuracy for row in record.history if row.phase == phase.name and row.val_accuracy is not None]
    return PhaseFacts(
        name=phase.name,
        epochs=phase.epochs,
        trainable=_in_words(record.trainable(phase.name)),
        trainable_parameters=phase.trainable_parameters,
        seconds=phase.seconds,
        batch_norm={None: "", True: "re-estimated", False: "kept"}[phase.batch_norm_reestimated],
        best=max(reached, default=None),
    )


def _in_words(trainable: Any) -> str:
    """The meaning of :attr:`edge_cifar.recipe.Phase.trainable`."""
    if isinstance(trainable, int):
        return f"all but the first {-trainable} layers" if trainable < 0 else f"head and last {trainable} layers"
    known = {"None": "", "head": "head only", "all": "all layers"}
    return known.get(str(trainable), f"from {trainable} on")


def _classification(
    run: Run,
) -> tuple[tuple[str, ...], tuple[ClassFigures, ...], tuple[tuple[int, ...], ...]]:
    path = run.path / "classification.json"
    if not path.exists():
        return (), (), ()
    fields = Fields(files.read_json(path, "class report"), str(path))
    per_class = tuple(
        ClassFigures(
            label=row.text("label") or "",
            precision=row.number("precision") or 0.0,
            recall=row.number("recall") or 0.0,
            f1=row.number("f1") or 0.0,
            images=row.whole("images") or 0,
        )
        for row in fields.children("per_class")
    )
    labels = tuple(str(label) for label in fields.items("labels"))
    confusion = fields.items("confusion")
    square = all(
        isinstance(row, list) and len(row) == len(confusion) and all(isinstance(cell, int) for cell in row)
        for row in confusion
    )
    if not square or (confusion and len(confusion) != len(labels)):
        raise EdgeCifarError(f"{path} is invalid: its confusion matrix is not {len(labels)} × {len(labels)} counts")
    return labels, per_class, tuple(tuple(row) for row in confusion)


def _picture(run: Run) -> bytes | None:
    """The most confident errors, to be embedded, if they are a PNG of reasonable size."""
    path = run.path / "mistakes.png"
    if not path.is_file() or path.stat().st_size > _LARGEST_PICTURE_BYTES:
        return None
    content = path.read_bytes()
    return content if content.startswith(b"\x89PNG\r\n\x1a\n") else None
