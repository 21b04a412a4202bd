"""CIFAR's batches are Python 2 pickles; a pickle can run code, so these are read with two locks.

The first is the published md5, checked before a byte is unpickled. The second, for whoever adds a
set with checksums of their own, is an unpickler that knows three names and nothing else.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.data import published
from edge_cifar.errors import DataError

# What rebuilds an array, taken from an array so that it need not be imported from NumPy's private
# modules, which moved between NumPy 1 and 2.
_RECONSTRUCT = np.empty(0).__reduce__()[0]

# Python 2 era names of what a batch may hold besides plain lists, dicts, strings and numbers.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _BatchUnpickler(pickle.Unpickler):
    """An unpickler that can build arrays and plain Python values only."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which CIFAR batches do not use") from None


def read(path: Path, md5: str, remedy: str) -> dict[bytes, Any]:
    """Read one batch file.

    Args:
        path: the file.
        md5: its published checksum.
        remedy: what a user may do where it has another.

    Returns:
        The batch's dictionary; Python 2 strings come as bytes.

    Raises:
        DataError: the file is missing, unreadable, truncated, altered, or holds what no batch holds.
    """
    data = published.checked_content(path, md5, remedy)
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:
        # Anything may surface from a pickle that is not one: the message names the file either way.
        raise DataError(f"{path} is not a CIFAR batch: {error}") from error
    if not isinstance(batch, dict):
        raise DataError(f"{path} is not a CIFAR batch: it contains a {type(batch).__name__} instead of a dictionary")
    return batch
