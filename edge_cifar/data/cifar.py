"""What CIFAR-10 and CIFAR-100 share: where their files are published and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split, checksum, pickled, places
from edge_cifar.data.published import PublishedSet, missing
from edge_cifar.progress import SILENT, Progress

LICENCE = """By Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, who state no licence and ask to be cited: Krizhevsky,
*Learning Multiple Layers of Features from Tiny Images*, 2009 (https://www.cs.toronto.edu/~kriz/cifar.html)."""

_SIDE = 32
_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class CifarSet(PublishedSet):
    """A published set of pickled 32x32 RGB images.

    Attributes:
        train_files: batches with training images, in order.
        test_files: batches with test images.
        meta_file: where the class names stand.
        label_key: the batches' key to the class numbers.
        label_names_key: the meta file's key to the class names.
    """

    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    meta_file: str
    label_key: bytes
    label_names_key: bytes


def load(published: CifarSet, *, data_dir: Path | str | None = None, progress: Progress = SILENT) -> Dataset:
    """Find (or download) a set and read it.

    Args:
        published: which.
        data_dir: used or an error; None tries ``EDGE_CIFAR_DATA``, the user's cache and the
            official address in turn.
        progress: told of a download.

    Raises:
        DataError: the data are not there and cannot be had, or are damaged.
    """
    return read(published, places.locate(published, data_dir=data_dir, progress=progress))


def read(published: CifarSet, folder: Path) -> Dataset:
    """Read and check every file of a set.

    Args:
        published: which.
        folder: the folder that holds its batches.

    Raises:
        DataError: a file is missing, truncated or altered; the message names it.
    """
    # Cheap and first: a missing file is named at once, not after the others were read.
    for name in published.md5:
        if not (folder / name).is_file():
            raise missing(folder / name, published.remedy(folder))
    train = _split(published, folder, published.train_files)
    test = _split(published, folder, published.test_files)
    meta = _batch(published, folder, published.meta_file)
    return Dataset(
        name=published.name,
        train=train,
        test=test,
        labels=tuple(name.decode("ascii") for name in meta[published.label_names_key]),
        checksum=checksum.of_splits(train, test),
        synthetic=False,
    )


def _batch(published: CifarSet, folder: Path, name: str) -> dict[bytes, Any]:
    return pickled.read(folder / name, published.md5[name], published.remedy(folder))


def _split(published: CifarSet, folder: Path, names: tuple[str, ...]) -> Split:
    batches = [_batch(published, folder, name) for name in names]
    labels = np.concatenate([np.asarray(batch[published.label_key], dtype=np.int64) for batch in batches])
    images = np.empty((len(labels), _SIDE, _SIDE, _CHANNELS), dtype=np.uint8)
    start = 0
    for batch in batches:
        planes: NDArray[np.uint8] = batch[b"data"]
        # A row is the red plane, the green one and the blue one, each 32 rows of 32 pixels.
        count = len(planes)
        images[start : start + count] = planes.reshape(count, _CHANNELS, _SIDE, _SIDE).transpose(0, 2, 3, 1)
        start += count
    return Split(images=images, labels=labels)
