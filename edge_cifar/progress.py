"""How long work tells of itself: steps report to a Progress, the command line draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """What a step may say while it works."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Advance]:
        """A bar of ``total`` units; the context yields a function that advances it by n units."""
        ...

    def say(self, text: str) -> None:
        """One line for people."""
        ...


class Silent:
    """The default of the Python API: says nothing."""

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        yield lambda units: None

    def say(self, text: str) -> None:
        return None


SILENT: Progress = Silent()
