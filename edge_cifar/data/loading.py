"""Any data set by its name on the command line."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from edge_cifar.data import Dataset, Split, checksum, image_folder, npz_file, places, sets
from edge_cifar.data.splits import balanced_indices
from edge_cifar.errors import UsageError, unknown
from edge_cifar.progress import SILENT, Progress


def load(
    name: str,
    *,
    data_dir: Path | str | None = None,
    seed: int = 0,
    limit: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> Dataset:
    """Load a data set.

    Args:
        name: a registered set (the modules of :mod:`edge_cifar.data.sets`), or the path of a folder
            of images by class, or of an ``.npz`` file of arrays.
        data_dir: where its files lie; used or an error. For a folder of images, or a file: where that
            now lies, if not at ``name``.
        seed: of what is made or chosen at random: synthetic pictures, the test split of a folder,
            the subset of ``limit``.
        limit: at most this many training, validation and test images each, chosen evenly
            over the classes.
        image_size: side in pixels, or height and width, that a folder's pictures are brought to; None for
            the registered sets, which have a size of their own.
        strict: refuse a folder with unreadable files instead of leaving those out.
        progress: told of downloads and reading.

    Returns:
        The data set; its checksum is that of the images it holds, so of the subset under ``limit``.

    Raises:
        UsageError: unknown name, a limit that is not positive, a negative seed, or an image size for
            a registered set.
        DataError: the data are missing or damaged.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit must be at least 1 image; got {limit}")
    if seed < 0:
        raise UsageError(f"the seed must be at least 0; got {seed}")
    if (is_folder(name) or is_archive(name)) and not _is_path(name):
        # From another working directory, too, this is to be known for a folder.
        name = os.path.join(".", name)
    dataset = _load(name, data_dir, seed, image_size, strict, progress)
    return dataset if limit is None else _limited(dataset, limit, seed)


def is_folder(name: str) -> bool:
    """Whether a data set's name is the path of a folder, rather than that of a registered set."""
    if name in sets.names() or is_archive(name):
        return False
    return _is_path(name) or Path(name).is_dir()


def is_archive(name: str) -> bool:
    """Whether a data set's name is the path of an ``.npz`` file."""
    return name.lower().endswith(npz_file.SUFFIX)


def _is_path(name: str) -> bool:
    """Whether a name can be nothing but a path, whatever lies in the working directory."""
    return os.sep in name or name in (".", "..") or name.startswith("~")


def at_hand(name: str) -> bool:
    """Whether a data set can be loaded without a download. A folder of images, or a file, is never downloaded."""
    published = None if is_folder(name) or is_archive(name) else sets.get(name).published
    return published is None or places.find(published) is not None


def _load(
    name: str,
    data_dir: Path | str | None,
    seed: int,
    image_size: int | tuple[int, int] | None,
    strict: bool,
    progress: Progress,
) -> Dataset:
    if is_folder(name):
        return image_folder.load(
            places.expanded(name if data_dir is None else data_dir),
            name=name,
            image_size=image_folder.DEFAULT_IMAGE_SIZE if image_size is None else image_size,
            seed=seed,
            strict=strict,
            progress=progress,
        )
    if image_size is not None:
        raise UsageError(f"--image-size only applies to a folder of images; those of {name} have a fixed size")
    if is_archive(name):
        path = places.expanded(name if data_dir is None else data_dir)
        return npz_file.load(path, name=name, seed=seed, progress=progress)
    if name not in sets.names():
        raise UsageError(f"{unknown('data set', name, sets.names())}; there is no folder of that name either")
    return sets.get(name).load(data_dir=data_dir, seed=seed, progress=progress)


def _limited(dataset: Dataset, limit: int, seed: int) -> Dataset:
    def subset(split: Split) -> Split:
        return split.take(balanced_indices(split.labels, limit, seed))

    train, test = subset(dataset.train), subset(dataset.test)
    validation = subset(dataset.validation) if dataset.validation is not None else None
    return dataclasses.replace(
        dataset,
        train=train,
        test=test,
        validation=validation,
        checksum=checksum.of_splits(*filter(None, (train, test, validation))),
    )
