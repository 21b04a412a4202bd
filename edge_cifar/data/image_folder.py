"""Your own pictures: a folder with one subfolder a class, pictures of any size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_cifar.data import Dataset, Split, checksum, pictures
from edge_cifar.data.splits import stratified_mask
from edge_cifar.errors import DataError, UsageError
from edge_cifar.progress import SILENT, Progress

DEFAULT_IMAGE_SIZE = 96
LARGEST_IMAGE_SIZE = 1024
TEST_FRACTION = 0.2

_NAMED_AT_MOST = 10


def load(
    folder: Path,
    *,
    name: str,
    image_size: int = DEFAULT_IMAGE_SIZE,
    seed: int = 0,
    strict: bool = False,
    progress: Progress = SILENT,
) -> Dataset:
    """Read a folder of images by class.

    With ``train/`` and ``test/`` subfolders those are the splits, each with a subfolder a class;
    without them the folder's own subfolders are the classes, and a fifth of each class is held out
    for testing, chosen by ``seed`` over the files in the order of their names. Hidden files are
    passed over.

    Args:
        folder: where the pictures lie.
        name: what the data set is called.
        image_size: side in pixels; each picture is cropped about its centre and resized, just as
            :mod:`edge_cifar.data.pictures` does it when a model is asked about one.
        seed: of the test split.
        strict: refuse a folder with a file that cannot be read, rather than leave that file out.
        progress: told of the files read, and of those left out.

    Raises:
        UsageError: the image size is out of range.
        DataError: there is no such folder, it has fewer than two classes, a class is empty, or
            (``strict``) a file is no picture.
    """
    if not 1 <= image_size <= LARGEST_IMAGE_SIZE:
        raise UsageError(f"the image size must lie between 1 and {LARGEST_IMAGE_SIZE} pixels, not {image_size}")
    if not folder.is_dir():
        raise DataError(f"no folder at {folder}; name one that holds a subfolder of pictures for each class")
    parts = (folder / "train", folder / "test")
    ready_made = all(part.is_dir() for part in parts)
    labels = _classes(parts[0] if ready_made else folder)
    if ready_made:
        _no_strangers(parts[1], labels)
        train, test = (_read(part, labels, image_size, strict, progress) for part in parts)
    else:
        everything = _read(folder, labels, image_size, strict, progress)
        held_out = stratified_mask(everything.labels, TEST_FRACTION, seed)
        train, test = everything.take(np.flatnonzero(~held_out)), everything.take(np.flatnonzero(held_out))
    if not len(test):
        raise DataError(f"{folder} has too few pictures to hold any out for testing; add some")
    return Dataset(
        name=name,
        train=train,
        test=test,
        labels=labels,
        checksum=checksum.of_splits(train, test),
        synthetic=False,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(entry.name for entry in _entries(folder) if entry.is_dir()))
    if len(names) < 2:
        found = f"one, {names[0]!r}" if names else "none"
        raise DataError(f"a classifier needs two classes, and {folder} has {found}; make a subfolder for each class")
    # Names are written one a line into the exported models' labels.
    if odd := [name for name in names if not name.isprintable()]:
        raise DataError(f"the class {odd[0]!r} in {folder} cannot be written on one line; rename the folder")
    return names


def _no_strangers(test: Path, labels: Sequence[str]) -> None:
    strangers = sorted({entry.name for entry in _entries(test) if entry.is_dir()} - set(labels))
    if strangers:
        raise DataError(f"{test} has classes that train/ has not: {', '.join(strangers)}; remove or rename them")


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder but hidden files, by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def _read(folder: Path, labels: Sequence[str], image_size: int, strict: bool, progress: Progress) -> Split:
    """Read every picture of every class, in the order of class and file names."""
    listed = [
        (label, path)
        for label, name in enumerate(labels)
        if (folder / name).is_dir()
        for path in _entries(folder / name)
        if path.is_file()
    ]
    images = np.empty((len(listed), image_size, image_size, 3), dtype=np.uint8)
    numbers: list[int] = []
    unreadable: list[str] = []
    with progress.bar(f"Reading {folder}", len(listed)) as advance:
        for label, path in listed:
            try:
                images[len(numbers)] = pictures.read(path, height=image_size, width=image_size).pixels
                numbers.append(label)
            except DataError as error:
                if strict:
                    raise DataError(f"{error}; remove it, or do without --strict") from error
                unreadable.append(os.fspath(path.relative_to(folder)))
            advance(1)
    if unreadable:
        rest = len(unreadable) - _NAMED_AT_MOST
        more = f" and {rest} more" if rest > 0 else ""
        progress.say(
            f"{folder}: left out {len(unreadable)} of {len(listed)} files that are no readable pictures: "
            f"{', '.join(unreadable[:_NAMED_AT_MOST])}{more}"
        )
    empty = [name for label, name in enumerate(labels) if label not in set(numbers)]
    if empty:
        raise DataError(f"{folder} has no readable picture of {', '.join(empty)}; add some or remove the class")
    return Split(images=images[: len(numbers)], labels=np.array(numbers, dtype=np.int64))
