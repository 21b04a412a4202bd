"""Progress that keeps what was said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from edge_cifar.progress import Silent


class Listener(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return super().bar(label, total)

    def say(self, text: str) -> None:
        self.said.append(text)
