"""``data``: download, inspect and export data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.data import Dataset, csv_files, loading, places, sets
from edge_cifar.data.balance import imbalance
from edge_cifar.data.published import PublishedSet
from edge_cifar.errors import DataError, EdgeCifarError, UsageError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.storage import files


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What a data set holds.

    Attributes:
        dataset: the set.
        picture: the PNG that shows samples of each class.
    """

    dataset: Dataset
    picture: Path

    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each class by split: ``{"train": {"airplane": 5000, ...}, "test": {...}}``."""
        dataset = self.dataset
        return {
            name: dict(
                zip(dataset.labels, np.bincount(split.labels, minlength=len(dataset.labels)).tolist(), strict=True)
            )
            for name, split in dataset.splits.items()
        }

    def document(self) -> dict[str, Any]:
        """The overview as JSON."""
        return {
            "name": self.dataset.name,
            "synthetic": self.dataset.synthetic,
            "checksum": self.dataset.checksum,
            "image_shape": list(self.dataset.train.images.shape[1:]),
            "labels": list(self.dataset.labels),
            "splits": {
                name: {"images": sum(classes.values()), "classes": classes} for name, classes in self.counts().items()
            },
            "picture": str(self.picture),
        }


def fetch(
    data: str = "cifar10", *, data_dir: Path | str | None = None, overwrite: bool = False, progress: Progress = SILENT
) -> Path:
    """Download a published data set, or verify the copy that is there.

    Args:
        data: its name.
        data_dir: its directory. Default: ``EDGE_CIFAR_DATA`` or the user's cache.
        overwrite: download it again even if it is there.
        progress: receives the progress of the download.

    Returns:
        The folder with its files.

    Raises:
        UsageError: the data set is unknown, or not a published one.
        DataError: the download failed, or what is there is damaged.
    """
    published = None if loading.is_folder(data) or loading.is_archive(data) else sets.get(data).published
    if not isinstance(published, PublishedSet):
        raise UsageError(f"{data!r} cannot be downloaded; only published data sets such as cifar10 can")
    return places.fetch(published, data_dir=data_dir, overwrite=overwrite, progress=progress)


def show(
    data: str = "cifar10",
    *,
    output: Path | None = None,
    data_dir: Path | str | None = None,
    limit: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> Overview:
    """Count the images of each class and draw samples.

    Args:
        data: a registered set or a folder.
        output: the PNG or SVG to write. Default: ``NAME-samples.png`` in the working directory.
        data_dir: the data directory.
        limit: use a class-balanced subset of at most this many images per split.
        seed: seed of synthetic images, splits and subsets.
        image_size: side in pixels to which the images of a folder are resized.
        strict: fail if a folder contains unreadable files.
        progress: receives progress messages.

    Raises:
        UsageError: the image file's name does not end in ``.png`` or ``.svg``.
        DataError: the data are missing or damaged.
        MissingPackage: Matplotlib is not installed.
        EdgeCifarError: the image file cannot be written.
    """
    from edge_cifar.report import figures

    picture = Path(output) if output is not None else Path(f"{_stem(data)}-samples.png")
    if picture.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"the image file's name must end in .png or .svg; got {picture.name}")
    files.demand_writable(picture)
    dataset = loading.load(
        data,
        data_dir=data_dir,
        seed=seed,
        limit=limit,
        image_size=image_size,
        strict=strict,
        progress=progress,
    )
    if unequal := imbalance(dataset.train.labels, dataset.labels):
        progress.say(unequal)
    figures.samples(dataset.train, dataset.labels, picture)
    return Overview(dataset=dataset, picture=picture)


def csv(
    data: str = "cifar10",
    *,
    output: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | str | None = None,
    limit: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Write a data set as CSV: a folder with ``train.csv``, ``test.csv`` and ``labels.txt``.

    If the data set has a validation split, it becomes ``validation.csv``.

    :func:`edge_cifar.data.csv_files.read` reads a file back to the same arrays.

    Args:
        data: a registered set or a folder.
        output: the folder to write. Default: ``NAME-csv`` in the working directory.
        overwrite: replace an existing folder.
        data_dir: the data directory.
        limit: write a class-balanced subset of at most this many images per split.
        seed: seed of synthetic images, splits and subsets.
        image_size: side in pixels to which the images of a folder are resized.
        strict: fail if a folder contains unreadable files.
        progress: receives progress messages.

    Returns:
        The folder.

    Raises:
        DataError: the data are missing or damaged.
        EdgeCifarError: the folder exists and ``overwrite`` was not given, or cannot be written.
    """
    folder = output or Path(f"{_stem(data)}-csv")
    if folder.exists() and not overwrite:
        raise EdgeCifarError(
            f"{folder} already exists; replace it with --overwrite, or choose another directory with --out"
        )
    if overwrite:
        _refuse_to_replace_strangers(folder)
    dataset = loading.load(
        data,
        data_dir=data_dir,
        seed=seed,
        limit=limit,
        image_size=image_size,
        strict=strict,
        progress=progress,
    )
    with files.atomic_write(folder) as partial:
        csv_files.write(dataset, partial, progress)
    return folder


def _refuse_to_replace_strangers(folder: Path) -> None:
    """--overwrite only replaces an earlier export, not any other folder of that name."""
    ours = {"train.csv", "validation.csv", "test.csv", "labels.txt"}
    if folder.exists() and not (folder.is_dir() and {entry.name for entry in folder.iterdir()} <= ours):
        raise DataError(f"{folder} contains files other than exported CSV; choose another directory with --out")


def _stem(data: str) -> str:
    return Path(data).resolve().stem if loading.is_folder(data) or loading.is_archive(data) else data
