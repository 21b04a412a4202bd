"""Images and labels in one ``.npz`` file of NumPy arrays, under the names that data sets are published with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_cifar.data import Dataset, arrays
from edge_cifar.data.arrays import Labelled
from edge_cifar.errors import DataError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.storage import archives, files

SUFFIX = ".npz"

# In the order in which they are looked for: keras.datasets' files, MedMNIST's, and people's own.
_IMAGES = ("x", "images", "data", "arr_0")
_LABELS = ("y", "labels", "targets", "target", "arr_1")
_SPLITS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
_CLASS_NAMES = ("class_names", "label_names")


def load(path: Path, *, name: str, seed: int = 0, progress: Progress = SILENT) -> Dataset:
    """Read a file.

    Its arrays are ``x`` and ``y``, or ``images`` and ``labels``; those of splits have their names before or behind
    (``x_train``, ``train_images``, ``val_labels``). ``class_names`` may name the classes. Nothing is unpickled.

    Args:
        path: the file.
        name: what the data set is called.
        seed: of the test split, where the file has none.
        progress: told how the images were turned round.

    Raises:
        DataError: there is no such file, it is damaged, or it holds no images with labels.
    """
    if not path.is_file():
        raise DataError(f"no file at {path}")
    try:
        with archives.opened(path) as archive:
            held = {found.lower(): found for found in archive.names}
            parts = {
                split: Labelled(images=archive[held[images]], labels=archive[held[labels]])
                for split, (images, labels) in _pairs(held).items()
            }
            named = next((held[key] for key in _CLASS_NAMES if key in held), None)
            class_names = None if named is None else tuple(map(str, archive[named]))
    except files.DAMAGE as error:
        raise DataError(f"{path} cannot be read as arrays ({error}); write it with numpy.savez") from error
    if not parts:
        raise DataError(
            f"{path} has no images with labels (it has {', '.join(held.values()) or 'nothing'}); name its arrays x "
            "and y, or x_train, y_train, x_test and y_test"
        )
    return arrays.dataset(parts, name=name, class_names=class_names, seed=seed, progress=progress)


def write(dataset: Dataset, path: Path) -> None:
    """Write a data set so that :func:`load` gives it back."""
    held = {
        f"{split}_{what}": array
        for split, part in dataset.splits.items()
        for what, array in (("images", part.images), ("labels", part.labels))
    }
    with files.atomic_write(path) as partial, partial.open("wb") as stream:
        np.savez(stream, class_names=np.array(dataset.labels), **held)  # type: ignore[arg-type]


def _pairs(held: dict[str, str]) -> dict[str, tuple[str, str]]:
    """The names of the arrays of each split that has both."""
    found = {
        split: pair for split, words in _SPLITS.items() for word in words if (pair := _pair(held, word)) is not None
    }
    whole = _pair(held, "")
    return found or ({"train": whole} if whole else {})


def _pair(held: dict[str, str], split: str) -> tuple[str, str] | None:
    def find(names: tuple[str, ...]) -> str | None:
        forms = [form for name in names for form in ((f"{name}_{split}", f"{split}_{name}") if split else (name,))]
        return next((form for form in forms if form in held), None)

    images, labels = find(_IMAGES), find(_LABELS)
    return (images, labels) if images and labels else None
