"""``labels.csv``: which class each picture of a flat folder belongs to."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

from edge_cifar.data.notices import Notices
from edge_cifar.errors import DataError

NAME = "labels.csv"
# What people call the two columns, in any case.
_FILE = ("file", "filename", "file_name", "image", "image_name", "path", "filepath")
_LABEL = ("label", "class", "class_name", "category", "target")
_MOST_BYTES = 256 << 20


def find(folder: Path) -> Path | None:
    """The ``labels.csv`` of a folder, in any case, whose first line names a column of files and one of labels.

    Raises:
        DataError: it cannot be read.
    """
    return next((path for path in _candidates(folder) if _columns(_rows(path, first_alone=True))), None)


def unusable(folder: Path) -> str:
    """Why a ``labels.csv`` that lies in a folder is not read, for people; empty where there is none or it is.

    Raises:
        DataError: it cannot be read.
    """
    for path in _candidates(folder):
        rows = _rows(path, first_alone=True)
        if _columns(rows) is None:
            titles = ", ".join(title.strip() for title in rows[0] if title.strip()) if rows else ""
            return f"{path.name} has {f'the columns {titles}' if titles else 'no columns'}; it needs file and label"
    return ""


def read(path: Path, root: Path, notices: Notices) -> dict[str, list[str]]:
    """Read the names of each class's files.

    Args:
        path: what :func:`find` found; the files are named relative to its folder.
        root: names are told relative to this folder.
        notices: told of lines that cannot be used.

    Returns:
        By label, sorted: names relative to ``root``, each once, in the order of their paths.

    Raises:
        DataError: it is no CSV in UTF-8, or gives a file two labels.
    """
    rows = _rows(path)
    columns = _columns(rows)
    assert columns is not None
    told = path.relative_to(root).as_posix()
    labels: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            # An empty line, as editors leave at the end.
            continue
        name, label = (row[column].strip() if column < len(row) else "" for column in columns)
        relative = PurePosixPath(name.replace("\\", "/"))
        file = (path.parent / relative).relative_to(root).as_posix()
        if not name or not label:
            notices.skipped(f"[line|lines] of {told} without a file or a label", [f"line {number}"])
        elif relative.is_absolute() or ".." in relative.parts:
            notices.skipped(f"[file|files] named in {told} that [lies|lie] outside its folder", [name])
        elif not (root / file).is_file():
            notices.skipped(f"[file|files] named in {told} that [does|do] not exist", [name])
        elif file not in labels:
            labels[file] = label
        elif labels[file] == label:
            notices.noted(f"{{}} [file is|files are] named in {told} more than once and read once", [name])
        else:
            raise DataError(f"{path} gives {name} two labels, {labels[file]!r} and {label!r}; remove one of the lines")
    by_label: dict[str, list[str]] = {label: [] for label in sorted(set(labels.values()))}
    for file in sorted(labels, key=lambda name: name.split("/")):
        by_label[labels[file]].append(file)
    return by_label


def _candidates(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.lower() == NAME and path.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def _rows(path: Path, *, first_alone: bool = False) -> list[list[str]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(stream, delimiter=delimiter)
            return [next(reader, [])] if first_alone else list(reader)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not CSV in UTF-8 ({error}); save it again as such") from error


def _columns(rows: list[list[str]]) -> tuple[int, int] | None:
    """Where the files and the labels stand; None where the first line does not tell."""
    titles = [title.strip().lower() for title in rows[0]] if rows else []
    file, label = (next((titles.index(name) for name in names if name in titles), None) for names in (_FILE, _LABEL))
    return None if file is None or label is None else (file, label)
