"""What Python callers give: one value where several may stand, and NumPy's numbers as readily as Python's."""

from __future__ import annotations

import difflib
import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from edge_cifar.errors import UsageError

T = TypeVar("T")


def as_tuple(given: T | Iterable[T]) -> tuple[T, ...]:
    """What was given, as a tuple: the items of a list, or the one value. A text is one value, not its letters."""
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(given)
    return (given,)


def demand_known(given: Iterable[str], further: Iterable[str], function: Callable[..., Any]) -> None:
    """Refuse a misspelt keyword, as Python does for a function that takes no others than those it names.

    Args:
        given: the keywords of a call that are no parameters of the function by name.
        further: those of them that it takes.
        function: which function it is.

    Raises:
        TypeError: another was given; its message suggests the nearest one.
    """
    further = tuple(further)
    for name in given:
        if name not in further:
            known = [*further, *inspect.signature(function).parameters]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]!r}?" if near else f"it also takes {', '.join(further)}"
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument {name!r}; {remedy}")


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
