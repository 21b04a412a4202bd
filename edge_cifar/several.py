"""One value where several may stand: Python callers write ``formats="coreml"`` as readily as ``formats=["coreml"]``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def several(given: T | Iterable[T]) -> tuple[T, ...]:
    """What was given, as a tuple: the items of a list, or the one value. A text is one value, not its letters."""
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(given)
    return (given,)
