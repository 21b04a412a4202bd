"""Images as comma-separated values: a label and the pixels of one image a row.

The header names the columns: ``label`` (the class number), then ``r_ROW_COLUMN``, ``g_ROW_COLUMN``
and ``b_ROW_COLUMN`` of each pixel, row by row. It tells the image's size, so that a file reads back
to the same arrays without anything else.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split
from edge_cifar.errors import DataError
from edge_cifar.progress import SILENT, Progress

_ROWS_AT_ONCE = 500
_LAST_COLUMN = re.compile(r"b_(\d{1,4})_(\d{1,4})")

# The text of every byte with a comma before it, filled up with zero bytes that are taken out again:
# so that images become text by one look-up instead of millions of calls.
_TEXT = np.array([f",{value}".encode() for value in range(256)], dtype="S4")


def write(dataset: Dataset, folder: Path, progress: Progress = SILENT) -> None:
    """Write ``train.csv``, ``test.csv`` and ``labels.txt`` (a class name a line) into a new folder.

    A validation split that the data bring becomes ``validation.csv``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in dataset.labels), encoding="utf-8")
    with progress.bar("Writing CSV", sum(map(len, dataset.splits.values()))) as advance:
        for name, split in dataset.splits.items():
            with (folder / f"{name}.csv").open("wb") as file:
                file.write(_header(split.images.shape[1:3]))
                for start in range(0, len(split), _ROWS_AT_ONCE):
                    part = slice(start, start + _ROWS_AT_ONCE)
                    _write_rows(file, split.images[part], split.labels[part])
                    advance(len(split.labels[part]))


def read(path: Path) -> Split:
    """Read one of those files back.

    Raises:
        DataError: the file is missing, cut off, or holds something else.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    try:
        with path.open(encoding="ascii") as file:
            shape = _shape(path, file.readline().rstrip("\n"))
            while lines := list(itertools.islice(file, _ROWS_AT_ONCE)):
                rows = np.loadtxt(lines, delimiter=",", dtype=np.int64, comments=None, ndmin=2)
                images.append(_pixels(rows, shape))
                labels.append(rows[:, 0])
    except FileNotFoundError as error:
        raise DataError(f"no file at {path}; create it with: edge-cifar data csv") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(
            f"{path} is truncated or altered: {error}; create it again with: edge-cifar data csv"
        ) from error
    if not labels:
        return Split(images=np.empty((0, *shape, 3), dtype=np.uint8), labels=np.empty(0, dtype=np.int64))
    return Split(images=np.concatenate(images), labels=np.concatenate(labels))


def _header(shape: tuple[int, ...]) -> bytes:
    rows, columns = shape
    pixels = itertools.product(range(rows), range(columns), "rgb")
    names = ",".join(f"{channel}_{row}_{column}" for row, column, channel in pixels)
    return f"label,{names}\n".encode()


def _shape(path: Path, header: str) -> tuple[int, int]:
    last = _LAST_COLUMN.fullmatch(header.rpartition(",")[2])
    if last is None:
        raise DataError(f"{path} has no header with label and pixel columns; create it with: edge-cifar data csv")
    return int(last[1]) + 1, int(last[2]) + 1


def _write_rows(file: BinaryIO, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    pixels = _TEXT[images.reshape(len(images), -1)]
    for label, row in zip(labels, pixels, strict=True):
        file.write(b"%d%s\n" % (label, row.tobytes().translate(None, b"\0")))


def _pixels(rows: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = rows[:, 1:]
    expected = shape[0] * shape[1] * 3
    if pixels.shape[1] != expected:
        raise ValueError(f"a row has {pixels.shape[1]} pixel values, the header {expected}")
    if rows.min() < 0 or pixels.max() > 255:
        raise ValueError("a pixel is outside 0..255, or a label is negative")
    return pixels.astype(np.uint8).reshape(-1, *shape, 3)
