"""Where a bundle may be written: it only ever replaces another bundle."""

from __future__ import annotations

import shlex
from pathlib import Path

from edge_cifar.documents.bundle import MANIFEST
from edge_cifar.errors import BundleError
from edge_cifar.storage import files


def refuse_occupied(place: Path, *, overwrite: bool) -> None:
    """Refuse a folder that a bundle must not replace.

    Args:
        place: the bundle's folder.
        overwrite: whether an earlier bundle may be replaced.

    Raises:
        BundleError: something else is there, or a bundle that may not be replaced.
        EdgeCifarError: it cannot be looked into.
    """
    try:
        if not place.is_dir():
            if place.exists():
                raise BundleError(f"{place} is a file; choose another directory with --out")
            return
        if place.is_mount() or place == Path.cwd():
            kind = "a mount point" if place.is_mount() else "the working directory"
            below = shlex.quote(str(place / "export"))
            raise BundleError(f"{place} is {kind} and cannot be replaced; use --out {below}")
        if not any(place.iterdir()):
            return
    except OSError as error:
        raise files.cannot_write(place, error) from error
    if not _is_bundle(place):
        # Not replaced even with --overwrite: these files are not ours.
        raise BundleError(f"{place} is not empty and is not a bundle; choose another directory with --out")
    if not overwrite:
        raise BundleError(
            f"{place} already contains a bundle; replace it with --overwrite, or choose another directory with --out"
        )


def _is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle, and not something else that has a manifest."""
    try:
        manifest = files.read_json(folder / MANIFEST, "manifest")
    except BundleError:
        return False
    return isinstance(manifest, dict) and {"schema", "artifacts"} <= manifest.keys()
