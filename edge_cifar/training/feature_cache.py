"""Features on disk: memory-mapped, whole or absent, and looked at before they are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.storage import archives, files, mapped_files

_ABOUT = "about.json"

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """What a cut gives for all images, read from disk as it is asked for.

    Attributes:
        train: ``[views, N, …]``, in the precision that the model computes in.
        targets: float32 ``[views, N, classes]``; they differ between views where images are mixed.
        validation: ``[M, …]``.
    """

    train: NDArray[Any]
    targets: NDArray[np.float32]
    validation: NDArray[Any]


def read(folder: Path, key: str, shapes: Shapes) -> FeatureCache | None:
    """The cache in a folder; None where there is none.

    Args:
        folder: where it was written.
        key: of everything that the features depend on.
        shapes: shape and dtype of each array.

    Raises:
        BundleError: it is damaged, or was made from something else.
    """
    if not folder.exists():
        return None
    about = files.read_json(folder / _ABOUT, "description of cached features")
    wanted = isinstance(about, dict) and (about.get("key"), about.get("arrays")) == (key, _told(shapes))
    for name in shapes:
        path = files.inside(folder, f"{name}.npy")
        if not wanted or not path.is_file():
            raise BundleError(f"the cached features in {folder} are of another model or other data")
        if about.get(name) != files.sha256(path):
            raise BundleError(f"the cached features in {path} are damaged")
    try:
        return _mapped(folder, shapes)
    except files.DAMAGE as error:
        raise BundleError(f"the cached features in {folder} are damaged ({error})") from error


def write(folder: Path, key: str, shapes: Shapes, fill: Callable[[FeatureCache], None]) -> FeatureCache:
    """Make a cache, which appears in its folder when it is whole.

    Args:
        folder: where to; replaced if it is there.
        key: of everything that the features depend on.
        shapes: shape and dtype of each array.
        fill: writes the arrays' values.

    Raises:
        EdgeCifarError: the place cannot be written, or the disk is full.
    """
    with files.atomic_write(folder) as partial:
        partial.mkdir()
        arrays = {
            name: mapped_files.create(partial / f"{name}.npy", shape, dtype) for name, (shape, dtype) in shapes.items()
        }
        fill(FeatureCache(**arrays))
        for array in arrays.values():
            array.flush()
        checksums = {name: files.sha256(partial / f"{name}.npy") for name in shapes}
        files.write_json(partial / _ABOUT, {"key": key, "arrays": _told(shapes), **checksums})
    return _mapped(folder, shapes)


def _told(shapes: Shapes) -> dict[str, Any]:
    """Shapes and dtypes as JSON. The same bytes are other features in another precision."""
    return {name: [list(shape), str(dtype)] for name, (shape, dtype) in shapes.items()}


def _mapped(folder: Path, shapes: Shapes) -> FeatureCache:
    return FeatureCache(
        # A file of bfloat16 reads as bytes in pairs.
        **{name: archives.mapped(folder / f"{name}.npy").view(dtype) for name, (_, dtype) in shapes.items()}
    )
