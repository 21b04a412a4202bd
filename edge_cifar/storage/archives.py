"""Untrusted archives of arrays (``.npz``): claimed sizes are checked against a limit before memory is allocated.

Deflate packs a thousand bytes into one, and the header of an array may claim any size: a file of 11 MB
could take all memory. So sizes are read first, members' from the directory of the zip archive and arrays'
from their headers, and arrays are unpacked one at a time, when they are asked for.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# What an archive may unpack to: this much, or that many times its own size if that is more. Photographs pack two
# to one. 500 MB are 3,500 pictures of a single colour at 224 pixels, which pack a thousand to one.
_MOST_BYTES = 500_000_000
_MOST_RATIO = 8
_MOST_MEMBERS = 100_000
# Parsed, JSON takes up to twenty times its size. That of a network of a thousand layers has one megabyte.
_MOST_JSON_BYTES = 16_000_000
# Methods whose memory is bounded by what they unpack; LZMA's is given by its header.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_SUFFIX = ".npy"
# Truth values, integers, floating point and text: no objects, which would be pickled, and no records.
_KINDS = "biufU"


@dataclass(frozen=True, kw_only=True)
class Header:
    """Shape and type of an array, without its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


class Archive:
    """An open ``.npz``.

    Attributes:
        names: of its arrays, in the order in which they were written.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = tuple(
            name.removesuffix(_SUFFIX) for name in dict.fromkeys(archive.namelist()) if name.endswith(_SUFFIX)
        )

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def header(self, name: str) -> Header:
        """The shape and type of an array, checked against the size of its data.

        Raises:
            KeyError: there is no such array.
            ValueError: it is damaged, or is neither numbers nor text.
        """
        with self._opened(name) as stream:
            return _header(stream, self._archive.getinfo(name + _SUFFIX).file_size)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Unpack an array.

        Raises:
            KeyError, ValueError: as :meth:`header`.
        """
        self.header(name)
        with self._opened(name) as stream:
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array

    def _opened(self, name: str) -> IO[bytes]:
        return self._archive.open(name + _SUFFIX)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An ``.npz``, open within the context.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it would unpack to more than a file of its size may.
        Exception: one of :data:`edge_cifar.storage.files.DAMAGE`, here and from the archive: it is damaged.
    """
    with _zip(path) as archive:
        yield Archive(archive)


def demand_modest(path: Path) -> None:
    """Refuse a zip archive, such as a ``.keras``, that another library is about to unpack into memory and parse.

    Raises:
        Exception: as :func:`opened`.
    """
    with _zip(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".json") and member.file_size > _MOST_JSON_BYTES:
                raise ValueError(f"its {member.filename!r} unpacks to {member.file_size / 1e6:,.0f} MB")


def text(path: Path, name: str) -> str | None:
    """A text file in a zip archive, which may be appended to another file; None where there is none that can be read.

    Args:
        path: the file.
        name: of the text.
    """
    try:
        with _zip(path) as archive:
            if name not in archive.namelist() or archive.getinfo(name).file_size > _MOST_JSON_BYTES:
                return None
            return archive.read(name).decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        return None


def mapped(path: Path | str) -> NDArray[Any]:
    """The array of an ``.npy`` file, in memory that is mapped to the file and so cannot be larger than it.

    Raises:
        ValueError: it holds fewer numbers than it claims, or objects.
    """
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it has {len(members):,} members")
        for member in members:
            if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
                raise ValueError(f"its member {member.filename!r} uses an unsupported compression or encryption")
        unpacked, size = sum(member.file_size for member in members), path.stat().st_size
        if unpacked > max(_MOST_BYTES, _MOST_RATIO * size):
            raise ValueError(
                f"it would unpack from {size / 1e6:,.0f} MB to {unpacked / 1e6:,.0f} MB, more than "
                f"{_MOST_BYTES / 1e6:,.0f} MB and more than {_MOST_RATIO} times its size"
            )
        yield archive


def _header(stream: IO[bytes], member_bytes: int) -> Header:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"unsupported array version {version[0]}.{version[1]}")
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype} is neither numbers nor text")
    held = member_bytes - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
        raise ValueError(f"an array of {dtype}{list(shape)} has {held} bytes")
    return Header(shape=shape, dtype=dtype)
