"""A run folder: what one training left behind, and where each of its files lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_cifar.command_line import command_line
from edge_cifar.documents import tables
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.errors import RunError
from edge_cifar.notebook import Tabular
from edge_cifar.storage import files
from edge_cifar.storage.exclusion import EXPORT
from edge_cifar.tables import Table

RECORD = "record.json"
MODELS = ("model.keras", "model.onnx")
# Where runs stand unless they are put elsewhere.
ROOT = Path("runs")


@dataclass(frozen=True, repr=False)
class Run(Tabular):
    """A folder that ``train`` wrote, or is writing.

    The record is written last: a folder without one holds no finished run. One that is kept for its
    figures alone has no weights.
    """

    path: Path

    @property
    def name(self) -> str:
        """What tables call this run: the folder's name."""
        return self.path.resolve().name

    @property
    def model_path(self) -> Path:
        """``model.keras``: the best weights by validation accuracy, in float32, no optimizer state.

        ``model.onnx`` in a run that was imported from an ONNX file.
        """
        paths = [self.path / name for name in MODELS]
        return next((path for path in paths if path.is_file()), paths[0])

    @property
    def record_path(self) -> Path:
        return self.path / RECORD

    @property
    def checkpoint_path(self) -> Path:
        """State of an unfinished training; gone once the record is written."""
        return self.path / "checkpoint"

    @property
    def export_path(self) -> Path:
        """Where ``export`` puts the bundle unless told otherwise."""
        return self.path / EXPORT

    @property
    def predictions_path(self) -> Path:
        """The class given to every test image (see :mod:`edge_cifar.documents.predictions`)."""
        return self.path / "predictions.npz"

    @property
    def classes_path(self) -> Path:
        """How the model does on each class (see :mod:`edge_cifar.documents.class_report`)."""
        return self.path / "classification.json"

    @property
    def finished(self) -> bool:
        return self.record_path.is_file()

    def forget_results(self) -> None:
        """Remove what was found out about artifacts that are being replaced."""
        for name in ("verify.json", "drift.png", "bench.json", "bench-*.json", "profile.png", "report.html"):
            for path in self.path.glob(name):
                path.unlink()

    def record(self) -> RunRecord:
        """The run's record.

        Raises:
            RunError: the record is missing or broken.
        """
        return RunRecord.read(self.record_path)

    @property
    def summary(self) -> str:
        """The run in one line: its accuracy, or that it has none yet, and its folder."""
        try:
            found = self.record().summary
        except RunError:
            found = "record cannot be read" if self.finished else "not finished"
        return f"{self.name}: {found}; {self.path}"

    def table(self) -> Table:
        """One row: what was trained, on what, and how well it does.

        Raises:
            RunError: the record is missing or broken.
        """
        return tables.of_run(self.name, str(self.path), self.record())

    def checksums(self) -> dict[str, str | None]:
        """Checksums of the weights and the record, by file name: of what is made from a run, those it was made from.

        None for a file that is not there.
        """
        paths = (self.model_path, self.record_path)
        return {path.name: files.sha256(path) if path.is_file() else None for path in paths}

    def demand_weights(self) -> None:
        """Refuse a finished run that is kept without its weights, as those of large networks are.

        Raises:
            RunError: they are not there; says how to train them again.
        """
        if not self.model_path.is_file():
            # As it was given for the first time: with nothing there, nothing can be resumed.
            record = self.record()
            again = ("export", record.imported.source) if record.imported else ("train", record.backbone)
            command = record.provenance.command or command_line(*again)
            raise RunError(
                f"{self.path} does not include its weights (no {self.model_path.name}); "
                f"{'import' if record.imported else 'retrain'} it {'again ' if record.imported else ''}with: "
                f"{command.replace(' --resume', '')}"
            )

    @classmethod
    def open(cls, path: Path) -> Run:
        """The finished run at ``path``.

        Raises:
            RunError: there is no folder, no run in it, or one that was not finished.
        """
        run = cls(path)
        if run.finished:
            return run
        if not path.exists():
            raise RunError(f"no run at {path}; train one with: edge-cifar train mobilenetv2")
        if run.checkpoint_path.exists():
            raise RunError(f"the run in {path} is not finished; continue it with --resume")
        raise RunError(f"{path} has no finished run (no {RECORD}); train one with: edge-cifar train")


def is_run(folder: Path) -> bool:
    """Whether a finished or an unfinished run stands in a folder."""
    run = Run(folder)
    return run.finished or run.checkpoint_path.exists()


def below(root: Path = ROOT) -> list[Run]:
    """The runs directly below a folder, finished or not, by name; none where there is no such folder."""
    return [Run(folder) for folder in sorted(root.iterdir()) if is_run(folder)] if root.is_dir() else []


def newest(root: Path = ROOT) -> Run:
    """The run below ``root`` that was finished last.

    Raises:
        RunError: there is none.
    """
    runs = [run for run in below(root) if run.finished]
    if not runs:
        raise RunError(f"no finished run under ./{root}; train one with: edge-cifar train mobilenetv2")
    return max(runs, key=lambda run: run.record_path.stat().st_mtime)
