"""How a folder of pictures is laid out: its splits, its classes, the files of each, and what belongs to none."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_cifar.errors import DataError

# The names people give to splits, in any case; those of torchvision, Keras' and Kaggle's folders among them.
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_NAMED_AT_MOST = 10


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the pictures of a folder lie.

    Attributes:
        splits: the folder of each split: ``train``, and ``validation`` and ``test`` where they are there.
        labels: names of the class folders, sorted.
        ready_made: whether the folder is divided into splits itself, rather than into classes.
    """

    splits: Mapping[str, Path]
    labels: tuple[str, ...]
    ready_made: bool


class Omissions:
    """What of a folder is not read, by reason."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, reason: str, names: Iterable[str]) -> None:
        """Note files or folders that are left out for one reason."""
        if names := list(names):
            self._found.setdefault(reason, []).extend(names)

    def sentences(self) -> Iterator[str]:
        """One for each reason: how many, why, and the first few names."""
        for reason, names in self._found.items():
            yield f"skipped {len(names)} {reason}: {listed(names)}"


def listed(names: list[str]) -> str:
    """The first few of many names."""
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def find(folder: Path, omissions: Omissions) -> Layout:
    """Find the splits and the classes of a folder.

    A folder is divided into splits when it has a training folder with a validation or a test folder beside
    it, or a training folder that holds folders alone (a class may be called ``train``, too); otherwise its
    subfolders are the classes.

    Args:
        folder: where the pictures lie.
        omissions: told what lies beside the splits and the classes.

    Raises:
        DataError: the folder cannot be read, two folders stand for one split, or there are fewer than
            two classes.
    """
    folders = _folders(folder)
    splits = _splits(folder, folders)
    if not splits:
        labels = _classes(folder)
        omissions.add("files next to the class folders", _files(folder))
        return Layout(splits={"train": folder}, labels=labels, ready_made=False)
    labels = _classes(splits["train"])
    omissions.add("folders next to the splits", sorted(set(folders) - {path.name for path in splits.values()}))
    omissions.add("files next to the splits", _files(folder))
    for split in splits.values():
        strangers = sorted(set(_folders(split)) - set(labels))
        if strangers:
            raise DataError(
                f"{split} has classes that {splits['train'].name}/ does not have: {', '.join(strangers)}; remove "
                "or rename them"
            )
        omissions.add("files next to the class folders", (f"{split.name}/{name}" for name in _files(split)))
    return Layout(splits=splits, labels=labels, ready_made=True)


def pictures_of(folder: Path, omissions: Omissions) -> list[Path]:
    """Every file of a class, those in folders below included, in the order of their paths; hidden ones are passed over.

    Args:
        folder: of the class.
        omissions: told of linked folders, which are not followed: they may lead in circles.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        here = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = (here / name for name in folders if (here / name).is_symlink())
        omissions.add("symbolic links to folders", (f"{link.relative_to(folder.parent)}" for link in links))
        found += [here / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _splits(folder: Path, folders: list[str]) -> dict[str, Path]:
    """The folder of each split, by the split's name; empty where the subfolders are classes."""
    found = Counter(split for name in folders if (split := _split_of(name)))
    if "train" not in found:
        if len(found) > 1 and found.total() == len(folders):
            raise DataError(
                f"{folder} has {', '.join(folders)} but no train/; rename the folder of the training images to train"
            )
        return {}
    splits = {split: [name for name in folders if _split_of(name) == split] for split in found}
    if doubled := [names for names in splits.values() if len(names) > 1]:
        raise DataError(f"{folder} has {' and '.join(doubled[0])}, which mean the same split; remove one of them")
    train = folder / splits["train"][0]
    if len(splits) == 1 and (_files(train) or len(_folders(train)) < 2):
        return {}
    return {split: folder / splits[split][0] for split in _SPLITS if split in splits}


def _split_of(name: str) -> str | None:
    return next((split for split, names in _SPLITS.items() if name.lower() in names), None)


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(_folders(folder))
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise DataError(
            f"a classifier needs at least two classes; {folder} has {found}. Create one subfolder per class"
        )
    # Names are written one a line into the exported models' labels.
    if odd := [name for name in names if not name.isprintable()]:
        raise DataError(f"the class name {odd[0]!r} in {folder} is not printable; rename the folder")
    return names


def _folders(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder) if path.is_dir()]


def _files(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder) if not path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder but hidden files, by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
