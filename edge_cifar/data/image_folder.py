"""Your own pictures: a folder with one subfolder a class, pictures of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_cifar.data import Dataset, Split, checksum, duplicates, folder_layout, picture_cache
from edge_cifar.data.notices import Notices
from edge_cifar.data.splits import held_out
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
        EdgeCifarError: the decoded images cannot be stored (:mod:`.picture_cache`).
    """
    height, width = size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not 1 <= min(size) <= max(size) <= LARGEST_IMAGE_SIZE:
        told = height if height == width else f"{height}×{width}"
        raise UsageError(f"the image size must be between 1 and {LARGEST_IMAGE_SIZE} pixels; got {told}")
    if not folder.is_dir():
        raise DataError(f"no folder at {folder}; name one with a subfolder of images per class")
    notices = Notices()
    layout = folder_layout.find(folder, notices)
    read = _read(layout, size, strict, notices, progress)
    duplicates.note(read, notices)
    for sentence in notices.sentences():
        progress.say(f"{folder}: {sentence}")
    splits = {split: found for split, (found, _) in read.items()}
    for split, found in splits.items():
        _demand_all(layout, split, found)
    train, test = splits["train"], splits.get("test")
    if test is None:
        chosen = held_out(train, TEST_FRACTION, seed)
        train, test = train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))
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
    layout: folder_layout.Layout, size: tuple[int, int], strict: bool, notices: Notices, progress: Progress
) -> dict[str, tuple[Split, list[str]]]:
    """Every split's images, in the order of classes and paths, with the names of their files."""
    files = [file for found in layout.files.values() for file in found]
    names = [file.name for file in files]
    height, width = size
    cached = picture_cache.decoded(layout.root, names, height=height, width=width, progress=progress)
    for reason, (unreadable, sentence) in cached.unreadable.items():
        if strict:
            raise DataError(f"{sentence}; remove it, or omit --strict")
        notices.skipped(f"of {len(files):,} files {reason}", unreadable)
    for remark, count in cached.remarks.items():
        notices.said(f"{count} image{'s' * (count != 1)}: {remark}")
    everything = Split(
        images=cached.images,
        labels=np.array([file.label for file in files], np.int64)[cached.numbers],
        digests=cached.digests,
    )
    # The first image of each split, and where the last one ends.
    bounds = np.searchsorted(cached.numbers, np.cumsum([0, *map(len, layout.files.values())]))
    return {
        split: (
            everything.take(np.arange(start, stop)),
            [names[number] for number in cached.numbers[start:stop]],
        )
        for split, start, stop in zip(layout.files, bounds[:-1], bounds[1:], strict=True)
    }
