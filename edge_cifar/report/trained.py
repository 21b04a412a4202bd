"""A finished training, read from its record, its class report and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_cifar.documents.class_report import ClassReport
from edge_cifar.documents.dataset import TrainingData
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.run import Run
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.documents.training_history import Phase

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
    epochs: int
    trainable: str
    trainable_parameters: int
    seconds: float
    batch_norm: str
    best: float | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One finished training.

    Attributes:
        run: its folder.
        name: its name on the page: the folder's.
        record: the whole record.
        phases: its phases, in order.
        classes: how it does on each class.
        mistakes: the most confident errors as a PNG; None if the run has none.
        predictions: for all test images; None if the run has none.
    """

    run: Run
    name: str
    record: RunRecord
    phases: tuple[PhaseFacts, ...]
    classes: ClassReport
    mistakes: bytes | None
    predictions: Predictions | None

    @property
    def data(self) -> TrainingData:
        """What it was trained and tested on."""
        return self.record.data


def read_run(run: Run) -> Trained:
    """Read a run folder; only its record is required.

    Raises:
        RunError: there is no record, it is not of this schema, or the predictions are damaged.
        BundleError: a value in the class report is missing or has the wrong type.
    """
    record = run.record()
    return Trained(
        run=run,
        name=run.name,
        record=record,
        phases=tuple(_phase(phase, record) for phase in record.phases),
        classes=ClassReport.read(run.classes_path) if run.classes_path.is_file() else ClassReport(),
        mistakes=_picture(run),
        predictions=Predictions.read(run.predictions_path) if run.predictions_path.is_file() else None,
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


def _picture(run: Run) -> bytes | None:
    """The most confident errors, to be embedded, if they are a PNG of reasonable size."""
    path = run.path / "mistakes.png"
    if not path.is_file() or path.stat().st_size > _LARGEST_PICTURE_BYTES:
        return None
    content = path.read_bytes()
    return content if content.startswith(b"\x89PNG\r\n\x1a\n") else None
