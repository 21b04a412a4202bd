"""How a folder of pictures is laid out: its splits, its classes, the files of each, and what belongs to none."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_cifar.data import labels_file
from edge_cifar.data.notices import Notices
from edge_cifar.errors import DataError

# The names people give to splits, in any case; those of torchvision, Keras' and Kaggle's folders among them.
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
# Archives are unpacked into a folder of their own name, which may hold another of that name.
_WRAPPERS_AT_MOST = 4
# What macOS puts beside the files of an archive.
_MACOS = "__MACOSX"


class File(NamedTuple):
    """A file of a class.

    Attributes:
        name: relative to the layout's root, with forward slashes.
        label: number of its class.
    """

    name: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the pictures of a folder lie.

    Attributes:
        root: the folder, or the only one in it, which holds all that it has.
        labels: names of the classes, sorted.
        files: of each split: ``train``, and ``validation`` and ``test`` where they are there; in the order of
            classes and paths.
        folders: what each split's folder is called; empty where the folder is not divided into splits itself.
    """

    root: Path
    labels: tuple[str, ...]
    files: Mapping[str, tuple[File, ...]]
    folders: Mapping[str, str]


def find(folder: Path, notices: Notices) -> Layout:
    """Find the splits, the classes and their files.

    A folder is divided into splits when it has a training folder with a validation or a test folder beside
    it, or a training folder that holds folders alone (a class may be called ``train``, too); otherwise it is the
    training split itself. The classes of a split are its subfolders, with all folders below them, or those
    that its ``labels.csv`` names (:mod:`.labels_file`). A folder whose only subfolder holds all that is read in
    its place.

    Args:
        folder: where the pictures lie.
        notices: told what is left out, and what is read as one may not expect.

    Raises:
        DataError: the folder cannot be read, two folders stand for one split, there are fewer than two
            classes, or a split has a class that is not trained.
    """
    root = _unwrapped(folder, notices)
    folders = _splits(root)
    if folders:
        notices.skipped("[folder|folders] next to the splits", sorted(set(_folders(root)) - set(folders.values())))
        notices.skipped("[file|files] next to the splits", _files(root))
        notices.skipped("hidden [file|files]", _hidden_in(root))
    classes = {split: _classes(root, root / name, notices) for split, name in (folders or {"train": ""}).items()}
    labels = tuple(classes["train"])
    _demand_classes(root / folders.get("train", ""), labels)
    for split, name in folders.items():
        if strangers := sorted(set(classes[split]) - set(labels)):
            raise DataError(
                f"{root / name} has classes that {folders['train']}/ does not have: {', '.join(strangers)}; remove "
                "or rename them"
            )
        if split != "train" and not any(classes[split].values()):
            notices.said(f"{name}/ is not used: it has no labelled images, in class folders or by a {labels_file.NAME}")
        elif absent := [label for label in labels if not classes[split].get(label)]:
            notices.said(f"{name}/ has no images of {', '.join(absent)}")
    files = {
        split: tuple(File(name, labels.index(label)) for label, names in found.items() for name in names)
        for split, found in classes.items()
        if split == "train" or any(found.values())
    }
    links = [file.name for found in files.values() for file in found if (root / file.name).is_symlink()]
    notices.noted("{} [image is a symbolic link, and is|images are symbolic links, and are] read like any other", links)
    return Layout(
        root=root,
        labels=labels,
        files=files,
        folders={split: name for split, name in folders.items() if split in files},
    )


def _unwrapped(folder: Path, notices: Notices) -> Path:
    """The folder, or the one that it does nothing but hold."""
    root = folder
    for _ in range(_WRAPPERS_AT_MOST):
        inner = _folders(root)
        if len(inner) != 1 or _split_of(inner[0]) or labels_file.find(root):
            break
        root = root / inner[0]
    if root == folder or not (len(_folders(root)) > 1 or _splits(root) or labels_file.find(root)):
        return folder
    notices.said(f"reading {root.relative_to(folder)}/, the only folder in it")
    while folder != root:
        notices.skipped("[file|files] next to the only folder", _files(folder))
        notices.skipped("hidden [file|files]", _hidden_in(folder))
        folder = folder / _folders(folder)[0]
    return root


def _splits(root: Path) -> dict[str, str]:
    """Name of each split's folder; empty where the subfolders are classes."""
    folders = _folders(root)
    found = Counter(split for name in folders if (split := _split_of(name)))
    if "train" not in found:
        if len(found) > 1 and found.total() == len(folders):
            raise DataError(
                f"{root} has {', '.join(folders)} but no train/; rename the folder of the training images to train"
            )
        return {}
    splits = {split: [name for name in folders if _split_of(name) == split] for split in found}
    if doubled := [names for names in splits.values() if len(names) > 1]:
        raise DataError(f"{root} has {' and '.join(doubled[0])}, which mean the same split; remove one of them")
    train = root / splits["train"][0]
    if len(splits) == 1 and not labels_file.find(train) and (_files(train) or len(_folders(train)) < 2):
        return {}
    return {split: splits[split][0] for split in _SPLITS if split in splits}


def _split_of(name: str) -> str | None:
    return next((split for split, names in _SPLITS.items() if name.lower() in names), None)


def _classes(root: Path, place: Path, notices: Notices) -> dict[str, list[str]]:
    """The files of each class of a split, by its label; none where nothing says which class they belong to."""
    if table := labels_file.find(place):
        found = labels_file.read(table, root, notices)
        named = {name for names in found.values() for name in names}
        others = [name for name in _below(root, place, notices) if name not in named and root / name != table]
        notices.skipped(f"[file|files] that {table.relative_to(root).as_posix()} does not name", others)
        return found
    folders = _folders(place)
    inside = "" if place == root else f"{place.relative_to(root).as_posix()}/"
    loose = [inside + name for name in _files(place)]
    notices.skipped("[file|files] next to the class folders" if folders else "[file|files] without a label", loose)
    notices.skipped("hidden [file|files]", (inside + name for name in _hidden_in(place)))
    links = [inside + name for name in folders if (place / name).is_symlink()]
    notices.noted("{} class [folder is a link, and is|folders are links, and are] read like any other", links)
    return {name: _below(root, place / name, notices) for name in folders}


def _below(root: Path, folder: Path, notices: Notices) -> list[str]:
    """Names of all files in a folder and those below it, in the order of their paths.

    Linked folders are not followed: they may lead in circles.
    """
    found: list[str] = []
    # Names as text, and what the listing itself tells: of a hundred thousand files, paths and calls take seconds.
    waiting = ["" if folder == root else folder.relative_to(root).as_posix()]
    while waiting:
        place = waiting.pop()
        for entry in _scan(root / place):
            name = f"{place}/{entry.name}" if place else entry.name
            if _hidden(entry.name):
                notices.skipped("hidden [file|files]", [name])
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            elif entry.is_file():
                found.append(name)
            elif entry.is_dir():
                notices.skipped("symbolic [link to a folder|links to folders]", [name])
            else:
                notices.skipped(
                    "broken symbolic [link|links]" if entry.is_symlink() else "special [file|files]", [name]
                )
    return sorted(found, key=lambda name: name.split("/"))


def _demand_classes(place: Path, names: tuple[str, ...]) -> None:
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        if reason := labels_file.unusable(place):
            raise DataError(f"{place} has no class folders, and its {reason}")
        raise DataError(
            f"a classifier needs at least two classes; {place} has {found}. Create one subfolder per class, or a "
            f"{labels_file.NAME} with the columns file and label"
        )
    # Names are written one a line into the exported models' labels.
    if odd := [name for name in names if not name.isprintable()]:
        raise DataError(f"the class name {odd[0]!r} in {place} is not printable; rename it")


def _folders(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder) if path.is_dir() and not _hidden(path.name)]


def _files(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder) if not path.is_dir() and not _hidden(path.name)]


def _hidden_in(folder: Path) -> list[str]:
    return [path.name for path in _entries(folder) if _hidden(path.name)]


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == _MACOS


def _entries(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _scan(folder))


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
