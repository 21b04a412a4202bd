"""Images in a file, some or all of them: read as they are asked for, without filling the memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_cifar.storage import archives
from edge_cifar.storage.mapped_files import Resident

_CHUNK_BYTES = 16 << 20


class _Mapping:
    """An ``.npy`` file in memory, of which no more stays there than is in use."""

    def __init__(self, path: Path) -> None:
        self.array: NDArray[np.uint8] = np.asarray(archives.mapped(path))
        self._resident = Resident(self.array)

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        found = self.array.take(numbers, axis=0)
        self._resident.touched(found.nbytes)
        return found


class MappedImages:
    """uint8 ``[N, H, W, 3]`` out of a file; it is indexed like an array, and what it gives is a copy in memory.

    Choosing images (:meth:`choose`) reads none. NumPy turns the whole into an array where it is handed one: that
    takes as much memory as the images have bytes.

    Attributes:
        shape: ``(N, H, W, 3)``.
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, source: Path | _Mapping, numbers: NDArray[np.int64] | None = None) -> None:
        """Map an ``.npy`` file of images.

        Args:
            source: the file.
            numbers: int64 ``[N]``, which of its images these are; None for all.

        Raises:
            ValueError, OSError: it is missing or damaged.
        """
        self._mapping = source if isinstance(source, _Mapping) else _Mapping(source)
        self._numbers = np.arange(len(self._mapping.array), dtype=np.int64) if numbers is None else numbers

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._numbers), *self._mapping.array.shape[1:])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """One image ``[H, W, 3]`` by its number, or some ``[n, H, W, 3]`` by a slice or an array; or parts of them."""
        if isinstance(index, tuple):
            found = self[index[0]]
            rest = index[1:]
            return found[rest] if found.ndim == 3 else found[(slice(None), *rest)]
        chosen = self._numbers[index]
        found = self._mapping.rows(np.atleast_1d(chosen))
        return found if np.ndim(chosen) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self[:]
        return array if dtype is None else array.astype(dtype, copy=False)

    def choose(self, index: slice | NDArray[Any]) -> MappedImages:
        """Some of the images, in the order of their numbers or as a mask says; none is read."""
        return MappedImages(self._mapping, self._numbers[index])


# Images in memory or in a file; both are indexed by numbers, slices and arrays of numbers.
Images = NDArray[np.uint8] | MappedImages


def choose(images: Images, index: slice | NDArray[Any]) -> Images:
    """Some images, without reading those that lie in a file."""
    return images.choose(index) if isinstance(images, MappedImages) else images[index]


def chunks(images: Images) -> Iterator[NDArray[np.uint8]]:
    """All images, some megabytes at a time, in their order."""
    size = max(_CHUNK_BYTES // max(images.nbytes // max(len(images), 1), 1), 1)
    for start in range(0, len(images), size):
        yield images[start : start + size]


class Digest(Protocol):
    """What ``hashlib`` makes."""

    def update(self, data: memoryview, /) -> None:
        """Add bytes."""
        ...


def update(digest: Digest, images: Images) -> None:
    """Add all bytes of images to a checksum."""
    for part in chunks(images):
        digest.update(np.ascontiguousarray(part).data)


def save(path: Path, *images: Images) -> None:
    """Write images of one size, one after the other, as an ``.npy`` file."""
    shape = (sum(map(len, images)), *images[0].shape[1:])
    with path.open("wb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(images[0].dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for some in images:
            for part in chunks(some):
                stream.write(np.ascontiguousarray(part).data)
