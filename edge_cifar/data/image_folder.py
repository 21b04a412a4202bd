"""Your own pictures: a folder with one subfolder a class, pictures of any size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from edge_cifar.data import Dataset, Split, checksum, folder_layout, pictures
from edge_cifar.data.notices import Notices
from edge_cifar.data.splits import stratified_mask
from edge_cifar.errors import DataError, NoPlugin, UsageError
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
    """Read a folder of images by class, laid out in one of the ways of :mod:`.folder_layout`.

    Where there is no test split, a fifth of each training class is held out for testing, chosen by ``seed`` over
    the files in the order of their paths.

    Args:
        folder: where the pictures lie.
        name: what the data set is called.
        image_size: side in pixels, or height and width; each picture is cropped about its centre and resized, just
            as :mod:`edge_cifar.data.pictures` does it when a model is asked about one.
        seed: of the test split.
        strict: refuse a folder with a file that cannot be read, rather than leave that file out.
        progress: told of the splits, and of what is left out and why.

    Raises:
        UsageError: the image size is out of range.
        DataError: there is no such folder, it has fewer than two classes, a class is empty, or
            (``strict``) a file is no picture.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not all(1 <= side <= LARGEST_IMAGE_SIZE for side in (height, width)):
        told = height if height == width else f"{height}×{width}"
        raise UsageError(f"the image size must be between 1 and {LARGEST_IMAGE_SIZE} pixels; got {told}")
    if not folder.is_dir():
        raise DataError(f"no folder at {folder}; name one with a subfolder of images per class")
    notices = Notices()
    layout = folder_layout.find(folder, notices)
    splits = {split: _read(layout, split, (height, width), strict, notices, progress) for split in layout.files}
    for sentence in notices.sentences():
        progress.say(f"{folder}: {sentence}")
    for split, read in splits.items():
        _demand_all(layout, split, read)
    train, test = splits["train"], splits.get("test")
    if test is None:
        held_out = stratified_mask(train.labels, TEST_FRACTION, seed)
        train, test = train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))
    if not len(test):
        raise DataError(f"{folder} has too few images to hold out a test set; add more")
    if layout.folders:
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
    names = {split: f"{name}/" for split, name in layout.folders.items()}
    parts = [f"{train} images of {names['train']} for training"]
    if "validation" in names:
        parts.append(f"{len(splits['validation'])} of {names['validation']} for validation")
    if "test" in names:
        parts.append(f"{test} of {names['test']} for testing")
    else:
        parts.append(f"{test} more of {names['train']} (a fifth of each class) for testing, as there is no test folder")
    return ", ".join(parts)


def _demand_all(layout: folder_layout.Layout, split: str, read: Split) -> None:
    """Every class is trained, and something is there of every other split."""
    empty = [name for label, name in enumerate(layout.labels) if label not in set(read.labels.tolist())]
    if empty and (split == "train" or not len(read)):
        place = layout.root / layout.folders.get(split, "")
        raise DataError(f"{place} has no readable images of {', '.join(empty)}; add some or remove the class")


def _read(
    layout: folder_layout.Layout,
    split: str,
    size: tuple[int, int],
    strict: bool,
    notices: Notices,
    progress: Progress,
) -> Split:
    """Read every picture of every class, in the order of classes and paths."""
    height, width = size
    files = layout.files[split]
    images = np.empty((len(files), height, width, 3), dtype=np.uint8)
    numbers: list[int] = []
    unreadable: list[str] = []
    remarks: Counter[str] = Counter()
    with progress.bar(f"Reading {layout.root / layout.folders.get(split, '')}", len(files)) as advance:
        for file in files:
            try:
                photograph = pictures.decode(layout.root / file.name, target=size)
                images[len(numbers)] = photograph.fitted(height=height, width=width).pixels
                numbers.append(file.label)
            except DataError as error:
                if strict:
                    raise DataError(f"{error}; remove it, or omit --strict") from error
                if isinstance(error, NoPlugin):
                    notices.skipped(f"images: {error.advice}", [file.name])
                else:
                    unreadable.append(file.name)
            else:
                remarks.update(filter(None, [photograph.remark]))
            advance(1)
    notices.skipped(f"of {len(files)} files that are not readable images", unreadable)
    for remark, count in remarks.items():
        notices.said(f"{count} images: {remark}")
    return Split(images=images[: len(numbers)], labels=np.array(numbers, dtype=np.int64))
