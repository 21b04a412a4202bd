"""``data cache``: what decoded images take on disk, and their removal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_cifar.arguments import as_tuple
from edge_cifar.data import picture_cache
from edge_cifar.data.picture_cache import Entry
from edge_cifar.errors import DataError


def directory() -> Path:
    """Where decoded images are stored."""
    return picture_cache.root()


def entries() -> list[Entry]:
    """What is stored, by folder and size."""
    return list(picture_cache.entries())


def remove(folders: Path | str | Iterable[Path | str] | None = None) -> list[Entry]:
    """Remove the decoded images of some folders, or of all; the next command that needs them decodes them again.

    Args:
        folders: the folders of images; None for all.

    Returns:
        What was removed.

    Raises:
        DataError: nothing is stored of one of the folders; nothing was removed then.
        EdgeCifarError: it cannot be removed.
    """
    stored = entries()
    if folders is not None:
        named: tuple[Path | str, ...] = as_tuple(folders)
        places = {Path(folder).expanduser().resolve(): folder for folder in named}
        if unknown := [folder for place, folder in places.items() if place not in {one.folder for one in stored}]:
            raise DataError(
                f"no decoded images of {unknown[0]} are stored; list what is with: edge-cifar data cache ls"
            )
        stored = [entry for entry in stored if entry.folder in places]
    for entry in stored:
        picture_cache.remove(entry)
    return stored
