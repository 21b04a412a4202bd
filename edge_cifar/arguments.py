"""What Python callers give: one value where several may stand, and NumPy's numbers as readily as Python's."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeVar

from edge_cifar.errors import UsageError

T = TypeVar("T")


def as_tuple(given: T | Iterable[T]) -> tuple[T, ...]:
    """What was given, as a tuple: the items of a list, or the one value. A text is one value, not its letters."""
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(given)
    return (given,)


def flattened(groups: Iterable[Any]) -> list[Any]:
    """The values of all groups in one list: each group is one value or several."""
    return [value for group in groups for value in as_tuple(group)]


def as_int(option: str, given: Any) -> int:
    """A whole number of any type.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(given, bool):
        try:
            return operator.index(given)
        except TypeError:
            pass
    raise UsageError(f"{option} takes an integer; got {given!r}")


def as_int_or_all(option: str, given: Any) -> int | None:
    """A whole number, or None for ``all``.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(given, str) and given != "all":
        raise UsageError(f"{option} takes an integer or all; got {given!r}")
    return None if given in (None, "all") else as_int(option, given)
