"""Warnings about files that this machine's processor computes wrongly."""

from __future__ import annotations

from pathlib import Path

from edge_cifar import formats, machine
from edge_cifar.errors import BundleError


def doubt(path: Path) -> str | None:
    """Why a file's answers may be wrong on this machine; None if there is no reason to doubt them.

    Args:
        path: any model file, whoever made it.
    """
    format_ = formats.of_file(path)
    if format_ is None or format_.overflow is None or machine.vnni() is not False:
        return None
    try:
        overflow = format_.overflow(path)
    except (BundleError, OSError):
        # Loading the file reports the damage.
        return None
    if overflow is None:
        return None
    return f"may give wrong results on this machine: {overflow}; export it again, or quantize it with reduce_range=True"
