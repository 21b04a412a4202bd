"""Your own pictures: a folder with one subfolder a class, pictures of any size."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np

from edge_cifar.data import Dataset, Split, checksum, folder_layout, pictures
from edge_cifar.data.splits import stratified_mask
from edge_cifar.errors import DataError, UsageError
from edge_cifar.progress import SILENT, Progress

DEFAULT_IMAGE_SIZE = 96
LARGEST_IMAGE_SIZE = 1024
TEST_FRACTION = 0.2


def load(
    folder: Path,
    *,
    name: str,
    image_size: int | tuple[int, int] = DEFAULT_IMAGE_SIZE,
    seed: int = 0,
    strict: bool = False,
    progress: Progress = SILENT,
) -> Dataset:
    """Read a folder of images by class.

    With a ``train/`` folder beside a ``val/`` or a ``test/`` one (or ``training``, ``valid``, ``validation``,
    ``testing``, in any case) those are the splits, each with a subfolder a class; otherwise the folder's own
    subfolders are the classes. Where there is no test split, a fifth of each training class is held out for
    testing, chosen by ``seed`` over the files in the order of their paths. The folders below a class belong
    to it. Hidden files are passed over.

    Args:
        folder: where the pictures lie.
        name: what the data set is called.
        image_size: side in pixels, or height and width; each picture is cropped about its centre and resized, just as
            :mod:`edge_cifar.data.pictures` does it when a model is asked about one.
        seed: of the test split.
        strict: refuse a folder with a file that cannot be read, rather than leave that file out.
        progress: told of the splits, and of what is left out and why.

    Raises:
        UsageError: the image size is out of range.
        DataError: there is no such folder, it has fewer than two classes, a class is empty, or
            (``strict``) a file is no picture.
    """
    height, width = size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not 1 <= min(size) <= max(size) <= LARGEST_IMAGE_SIZE:
        got = height if height == width else f"{height}×{width}"
        raise UsageError(f"the image size must be between 1 and {LARGEST_IMAGE_SIZE} pixels; got {got}")
    if not folder.is_dir():
        raise DataError(f"no folder at {folder}; name one with a subfolder of images per class")
    omissions = folder_layout.Omissions()
    layout = folder_layout.find(folder, omissions)
    splits = {
        split: _read(path, layout.labels, size, strict, omissions, progress) for split, path in layout.splits.items()
    }
    for sentence in omissions.sentences():
        progress.say(f"{folder}: {sentence}")
    train, test = splits["train"], splits.get("test")
    if test is None:
        held_out = stratified_mask(train.labels, TEST_FRACTION, seed)
        train, test = train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))
    if not len(test):
        raise DataError(f"{folder} has too few images to hold out a test set; add more")
    if layout.ready_made:
        progress.say(f"{folder}: {_division(layout, splits, len(train), len(test))}")
    validation = splits.get("validation")
    return Dataset(
        name=name,
        train=train,
        test=test,
        validation=validation,
        labels=layout.labels,
        checksum=checksum.of_splits(*filter(None, (train, test, validation))),
        synthetic=False,
    )


def _division(layout: folder_layout.Layout, splits: dict[str, Split], train: int, test: int) -> str:
    """Which pictures are for what, where the folder itself is divided."""
    names = {split: f"{path.name}/" for split, path in layout.splits.items()}
    parts = [f"{train} images of {names['train']} for training"]
    if "validation" in names:
        parts.append(f"{len(splits['validation'])} of {names['validation']} for validation")
    if "test" in names:
        parts.append(f"{test} of {names['test']} for testing")
    else:
        parts.append(f"{test} more of {names['train']} (a fifth of each class) for testing, as there is no test folder")
    return ", ".join(parts)


def _read(
    folder: Path,
    labels: tuple[str, ...],
    size: tuple[int, int],
    strict: bool,
    omissions: folder_layout.Omissions,
    progress: Progress,
) -> Split:
    """Read every picture of every class, in the order of classes and paths."""
    found = [
        (label, path)
        for label, name in enumerate(labels)
        if (folder / name).is_dir()
        for path in folder_layout.pictures_of(folder / name, omissions)
    ]
    height, width = size
    images = np.empty((len(found), height, width, 3), dtype=np.uint8)
    numbers: list[int] = []
    unreadable: list[str] = []
    remarks: Counter[str] = Counter()
    with progress.bar(f"Reading {folder}", len(found)) as advance:
        for label, path in found:
            try:
                photograph = pictures.decode(path)
                images[len(numbers)] = photograph.fitted(height=height, width=width).pixels
                numbers.append(label)
            except DataError as error:
                if strict:
                    raise DataError(f"{error}; remove it, or omit --strict") from error
                unreadable.append(os.fspath(path.relative_to(folder)))
            else:
                remarks.update(filter(None, [photograph.remark]))
            advance(1)
    omissions.add(f"of {len(found)} files that are not readable images", unreadable)
    for remark, count in remarks.items():
        progress.say(f"{folder}: {count} images: {remark}")
    empty = [name for label, name in enumerate(labels) if label not in set(numbers)]
    if empty:
        raise DataError(f"{folder} has no readable images of {', '.join(empty)}; add some or remove the class")
    return Split(images=images[: len(numbers)], labels=np.array(numbers, dtype=np.int64))
