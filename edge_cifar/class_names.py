"""Names of a model's classes, as people give them: in a file, or separated by commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge_cifar.errors import UsageError
from edge_cifar.storage import strict_json

# As many tools call the file that they put beside a model.
FILE = "labels.txt"
# A file of the names of ImageNet's 21,841 classes takes half a megabyte.
_MOST_BYTES = 8_000_000
# As Teachable Machine writes them: "0 cat"; others put a colon or a comma behind the number.
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")


def parse(given: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Class names in the order of a model's outputs.

    Args:
        given: a file, names separated by commas, or the names themselves. A file holds a name a line, each with its
            number before it or none, or JSON: a list of names, or an object from number to name or the other way round.

    Raises:
        UsageError: there is no such file, it is no text, or it holds no names.
    """
    if not isinstance(given, str | Path):
        return _checked(tuple(given), "--labels")
    if (path := Path(given)).is_file():
        return read(path)
    if isinstance(given, Path) or "," not in given:
        raise UsageError(f"no file of class names at {given}; give a file, or names separated by commas")
    return _checked(tuple(name.strip() for name in given.split(",")), "--labels")


def read(path: Path) -> tuple[str, ...]:
    """Class names in a file, which is as :func:`parse` describes it.

    Raises:
        UsageError: it is no text, or it holds no names.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is too large for a file of class names")
        # With or without the mark that Windows' editors put first.
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a text file of class names ({error})") from error
    if text.lstrip()[:1] in ("[", "{"):
        return _checked(_of_json(text, path), str(path))
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered) and [int(match[1]) for match in numbered if match] == list(range(len(lines))):
        lines = tuple(match[2] for match in numbered if match)
    return _checked(lines, str(path))


def beside(model: Path, count: int) -> tuple[str, ...] | None:
    """Class names in a :data:`FILE` beside a model file; None where there is none for as many classes.

    Args:
        model: the model file.
        count: number of its classes.
    """
    try:
        names = read(model.with_name(FILE)) if model.with_name(FILE).is_file() else ()
    except UsageError:
        return None
    return names if len(names) == count else None


def places(names: Sequence[str] | None, wanted: Sequence[str]) -> list[int] | None:
    """Where each of the wanted names stands among others; None where those are not the same names in some order."""
    if not names or len(names) != len(wanted) or set(names) != set(wanted):
        return None
    return [names.index(name) for name in wanted]


def _of_json(text: str, path: Path) -> tuple[str, ...]:
    try:
        names = strict_json.parse(text)
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON: {error}") from error
    if isinstance(names, dict):
        if all(type(number) is int for number in names.values()):
            # As Keras' class_indices are: from name to number.
            names = {str(number): name for name, number in names.items()}
        if set(names) != {str(number) for number in range(len(names))}:
            raise UsageError(f"{path} does not number its class names from 0 on")
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{path} is not a list of class names")
    return tuple(names)


def _checked(names: tuple[str, ...], source: str) -> tuple[str, ...]:
    if not names or not all(name and name.isprintable() for name in names):
        raise UsageError(f"{source} does not hold printable class names, one for each class")
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise UsageError(f"{source} names the class {twice!r} twice")
    return names
