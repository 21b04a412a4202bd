"""Arrays in files that are mapped into memory: larger than it, and read as they are asked for."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pages that were read or written stay the process's, and count as its memory, until they are given back; the system
# keeps them as long as it has room. A batch of 250 photographs at 224 pixels is 38 MB.
_GIVE_BACK_BYTES = 64 << 20


def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    """Make an ``.npy`` file to write an array into.

    Args:
        path: a file that is not there yet.
        shape: of the array.
        dtype: of its numbers.

    Returns:
        The array, mapped to the file; zeros as yet.

    Raises:
        OSError: the place cannot be written, or the disk has no room for all of it.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # The file is sparse as yet; a disk that fills up while it is written through memory kills the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


class Resident:
    """The pages of a mapped array that are in this process's memory: no more of them than are in use."""

    def __init__(self, array: NDArray[Any]) -> None:
        """Watch an array; one that is not mapped is left alone."""
        memory: Any = array
        while isinstance(memory, np.ndarray):
            memory = memory.base
        self._memory = memory if isinstance(memory, mmap.mmap) else None
        self._bytes = 0

    def touched(self, nbytes: int) -> None:
        """Give the pages back to the system from time to time; what was written to them is in the file.

        Args:
            nbytes: that were read or written since the last call.
        """
        self._bytes += nbytes
        if self._memory is not None and self._bytes >= _GIVE_BACK_BYTES:
            self._bytes = 0
            self._memory.madvise(mmap.MADV_DONTNEED)
