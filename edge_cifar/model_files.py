"""A model's size and checksum, be it one file, a folder, or a file with its weights beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_cifar.runtimes import loading
from edge_cifar.storage import files


def parts(path: Path) -> tuple[Path, ...]:
    """A model's file or folder, and the files beside it that hold a part of it.

    Raises:
        BundleError: one of those is missing or lies elsewhere.
    """
    beside = next((module.beside for module in loading.takers(path) if hasattr(module, "beside")), None)
    return (path, *(beside(path) if beside else ()))


def size_bytes(path: Path) -> int:
    """Size of all that belongs to a model.

    Raises:
        BundleError: as :func:`parts`.
    """
    return sum(map(files.size_bytes, parts(path)))


def gzip_bytes(path: Path) -> int:
    """Size of all that belongs to a model behind gzip, each file by itself.

    Raises:
        BundleError: as :func:`parts`.
    """
    return sum(map(files.gzip_bytes, parts(path)))


def sha256(path: Path) -> str:
    """Checksum of a model: that of its file or folder, or of all its files as of a folder that holds them alone.

    Raises:
        BundleError: as :func:`parts`.
    """
    found = parts(path)
    if len(found) == 1:
        return files.sha256(path)
    digest = hashlib.sha256()
    for part in sorted(found):
        digest.update(part.relative_to(path.parent).as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(files.sha256(part)))
    return digest.hexdigest()
