"""A word about files that this machine's processor computes wrongly."""

from __future__ import annotations

from pathlib import Path

from edge_cifar import machine
from edge_cifar.errors import BundleError
from edge_cifar.readers import onnx
from edge_cifar.runtimes.onnxruntime import SUFFIX


def doubt(path: Path) -> str | None:
    """Why a file's answers may be wrong on this machine; None where nothing speaks against them.

    Args:
        path: any model file, whoever made it.
    """
    if path.suffix.lower() != SUFFIX or machine.vnni() is not False:
        return None
    try:
        overflow = onnx.overflow(path)
    except (BundleError, OSError):
        # Whoever loads it says so.
        return None
    if overflow is None:
        return None
    return f"may be wrong on this machine: {overflow}; export it again, or quantize it with reduce_range=True"
