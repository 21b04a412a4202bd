"""Labels that distinguish the rows of one artifact, made of what differs among the rows shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Way(Protocol):
    """How a row's artifact was run."""

    @property
    def runtime(self) -> str | None: ...
    @property
    def backend(self) -> str | None: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def batch(self) -> int | None: ...


class Ways:
    """Labels for rows.

    Args:
        rows: all rows that are shown together.
    """

    def __init__(self, rows: Iterable[Way]) -> None:
        known = list(rows)
        self._threads = len({row.threads for row in known if row.threads}) > 1
        self._batch = len({row.batch for row in known if row.batch}) > 1
        by_runtime: dict[str | None, set[str | None]] = {}
        for row in known:
            by_runtime.setdefault(row.runtime, set()).add(row.backend)
        self._several = {runtime for runtime, backends in by_runtime.items() if len(backends) > 1}

    def words(self, row: Way) -> str:
        """Such as ``builtin ×4 batch 8``; empty if the rows do not differ."""
        words = [
            row.backend if row.runtime in self._several and row.backend else "",
            f"×{row.threads}" if self._threads and row.threads else "",
            f"batch {row.batch}" if self._batch and row.batch else "",
        ]
        return " ".join(word for word in words if word)
