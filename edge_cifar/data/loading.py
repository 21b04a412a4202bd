"""Any data set by its name on the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import edge_cifar.data.sets
from edge_cifar import plugins
from edge_cifar.data import Dataset, Split, checksum
from edge_cifar.data.splits import balanced_indices
from edge_cifar.errors import UsageError
from edge_cifar.progress import SILENT, Progress


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Load a data set.

    Args:
        name: a registered set (the modules of :mod:`edge_cifar.data.sets`).
        data_dir: where its files lie; used or an error.
        seed: of what is made or chosen at random: synthetic images, the subset of ``limit``.
        limit: at most this many training images and at most this many test images, chosen evenly
            over the classes.
        progress: told of a download.

    Returns:
        The data set; its checksum is that of the images it holds, so of the subset under ``limit``.

    Raises:
        UsageError: unknown name, or a limit that is not positive.
        DataError: the data are missing or damaged.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit must be at least 1 image, not {limit}")
    module = plugins.load(edge_cifar.data.sets, name, "data set")
    dataset: Dataset = module.load(data_dir=data_dir, seed=seed, progress=progress)
    return dataset if limit is None else _limited(dataset, limit, seed)


def _limited(dataset: Dataset, limit: int, seed: int) -> Dataset:
    def subset(split: Split) -> Split:
        return split.take(balanced_indices(split.labels, limit, seed))

    train, test = subset(dataset.train), subset(dataset.test)
    return dataclasses.replace(dataset, train=train, test=test, checksum=checksum.of_splits(train, test))
