"""Where a published set is looked for: a folder given, the environment, the user's cache, the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from edge_cifar.errors import DataError
from edge_cifar.progress import Progress

ENVIRONMENT = "EDGE_CIFAR_DATA"


class Published(Protocol):
    """What must be known of a set to find it."""

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> str: ...


def locate(published: Published, *, data_dir: Path | None, progress: Progress) -> Path:
    """The folder with a set's batches."""
    if data_dir is not None:
        return given(published, data_dir.expanduser(), "--data-dir")
    if place := os.environ.get(ENVIRONMENT):
        return given(published, Path(place).expanduser(), ENVIRONMENT)
    ways = f"name its folder with --data-dir or {ENVIRONMENT}, or use --data synthetic"
    raise DataError(f"no {published.name} data; {ways}")


def given(published: Published, place: Path, origin: str) -> Path:
    """The set's folder at or in a place someone named."""
    if (place / published.folder).is_dir():
        return place / published.folder
    if place.is_dir():
        return place
    raise DataError(f"{origin}: no folder at {place}")
