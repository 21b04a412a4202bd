"""Arrays in files that are mapped into memory: larger than it, and read as they are asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


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
