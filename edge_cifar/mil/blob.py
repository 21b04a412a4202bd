"""The weight file of a package, read with every offset checked.

A file starts with a header of 64 bytes (number of blobs, version 2). Each blob has a header of its own
at a multiple of 64 bytes::

    uint32  magic 0xDEADBEEF
    uint32  element type
    uint64  size of the data in bytes
    uint64  where the data starts in the file, a multiple of 64
    uint64  unused bits at its end, for elements below a byte
    32 bytes reserved

The layout is that of ``mlmodel/src/MILBlob/Blob/StorageFormat.hpp`` in coremltools.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.program import TensorType

_ALIGNMENT = 64
_FILE_HEADER = struct.Struct("<II")
_VERSION = 2
_BLOB_HEADER = struct.Struct("<IIQQQ")
_MAGIC = 0xDEADBEEF


class WeightFile:
    """One open weight file. Blobs are read when asked for, so that only one is in memory twice."""

    def __init__(self, path: Path) -> None:
        """Open a file and look at its header.

        Raises:
            BundleError: it is missing, or no weight file.
            OSError: it cannot be read.
        """
        if not path.is_file():
            raise BundleError(f"the weight file {path.name} is missing")
        self._name = path.name
        self._stream: BinaryIO = path.open("rb")
        self._size = os.fstat(self._stream.fileno()).st_size
        try:
            self._check_header()
        except BaseException:
            self._stream.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def read(self, offset: int, claimed: TensorType) -> Array:
        """The blob whose header stands at ``offset``.

        Raises:
            BundleError: there is no such blob, its type or size is not the claimed one, or it does
                not lie within the file.
        """
        if offset % _ALIGNMENT:
            raise BundleError(f"a weight's offset {offset} in {self._name} is not a multiple of {_ALIGNMENT}")
        magic, code, size, start, unused_bits = _BLOB_HEADER.unpack(self._read(offset, _BLOB_HEADER.size))
        if magic != _MAGIC:
            raise BundleError(f"{self._name} has no weight at offset {offset} (magic number {magic:#010x})")
        element = claimed.element
        if code != element.blob_code:
            raise BundleError(
                f"{self._name} has elements of type code {code} at offset {offset}; the program expects {claimed}"
            )
        if size != element.packed_bytes(claimed.count) or (
            element.bits < 8 and unused_bits != size * 8 - claimed.count * element.bits
        ):
            raise BundleError(f"{self._name} has {size} bytes at offset {offset}, which is not the size of {claimed}")
        if start % _ALIGNMENT:
            raise BundleError(
                f"the data of the weight at offset {offset} of {self._name} is not aligned to {_ALIGNMENT} bytes"
            )
        return element.decode(self._read(start, size), claimed.shape)

    def _check_header(self) -> None:
        _, version = _FILE_HEADER.unpack(self._read(0, _FILE_HEADER.size))
        if version != _VERSION:
            raise BundleError(f"{self._name} is not a weight file of version {_VERSION} (got {version})")

    def _read(self, start: int, size: int) -> bytes:
        # Compared before reading: neither number is trusted, and their sum cannot overflow in Python.
        if start + size > self._size:
            raise BundleError(
                f"{self._name} has {self._size} bytes, but a weight ends at {start + size}; the file is truncated "
                "or corrupt"
            )
        self._stream.seek(start)
        content = self._stream.read(size)
        if len(content) != size:
            raise BundleError(f"{self._name} became shorter while it was read")
        return content
