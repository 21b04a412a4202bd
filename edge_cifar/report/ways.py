"""How the rows of one artifact are told apart: by what differs among the rows shown, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Way(Protocol):
    """What a row tells of how its artifact was run."""

    @property
    def runtime(self) -> str | None: ...
    @property
    def backend(self) -> str | None: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def batch(self) -> int | None: ...


class Ways:
    """The words that tell some rows apart.

    Args:
        rows: all that are shown together.
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
        """Such as ``builtin ×4 batch 8``; empty where the rows differ in nothing."""
        words = [
            row.backend if row.runtime in self._several and row.backend else "",
            f"×{row.threads}" if self._threads and row.threads else "",
            f"batch {row.batch}" if self._batch and row.batch else "",
        ]
        return " ".join(word for word in words if word)
