"""The images a run was trained, validated and tested on, brought back from its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_cifar.command_line import command_line
from edge_cifar.data import Dataset, Split
from edge_cifar.data.class_order import in_order
from edge_cifar.data.loading import at_hand, is_folder, load
from edge_cifar.data.splits import validation_split
from edge_cifar.documents.run import Run
from edge_cifar.errors import DataError
from edge_cifar.progress import SILENT, Progress

# Images that a program gave as arrays are kept in the run's own folder under this name.
KEPT = "data.npz"


@dataclass(frozen=True, kw_only=True)
class RunData:
    """A run's data, split as its training split them.

    Attributes:
        dataset: the whole set.
        train: what was trained on; the validation images are not among them.
        validation: what the best weights were chosen on.
        test: what is only ever evaluated on.
    """

    dataset: Dataset
    train: Split
    validation: Split

    @property
    def test(self) -> Split:
        return self.dataset.test


def split_data(dataset: Dataset, fraction: float, seed: int) -> RunData:
    """A data set with its own validation split, or with one held out of its training images."""
    if dataset.validation is not None:
        return RunData(dataset=dataset, train=dataset.train, validation=dataset.validation)
    train, validation = validation_split(dataset.train, fraction, seed)
    return RunData(dataset=dataset, train=train, validation=validation)


def kept_with(run: Run | None, name: str) -> Path | None:
    """Where a run keeps its images itself; None where it does not, or there is no run."""
    # Any other file has a folder in its name.
    return run.path / KEPT if run and name == KEPT else None


def load_run_data(
    run: Run, *, data_dir: Path | str | None = None, download: bool = True, progress: Progress = SILENT
) -> RunData:
    """Load the data of a finished run, split as then.

    Args:
        run: a finished run.
        data_dir: where the data lie; else they are sought as training seeks them.
        download: False refuses data that are not on this machine.
        progress: told of a download.

    Raises:
        DataError: the data are missing, or are not those the run was trained on.
        RunError: the record is broken.
    """
    record = run.record()
    name = record.data.name
    height, width, _ = record.data.image_shape
    data_dir = data_dir or kept_with(run, name)
    if not (download or data_dir or at_hand(name)):
        raise DataError(f"no {name} data found; download it with: {command_line('data', 'fetch', '--data', name)}")
    dataset = load(
        name,
        data_dir=data_dir,
        seed=record.seed,
        limit=record.data.limit,
        image_size=(height, width) if is_folder(name) else None,
        progress=progress,
    )
    if dataset.checksum != record.data.checksum:
        raise DataError(
            f"the {name} images found are not those {run.path} was trained on; set --data-dir to the folder with those"
        )
    dataset = in_order(dataset, record.data.labels, by_number=not is_folder(name))
    return split_data(dataset, record.validation_split, record.seed)
