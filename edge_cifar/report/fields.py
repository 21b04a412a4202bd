"""JSON from files that nobody vouches for: every value is asked for by type, and a wrong one is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_cifar.errors import EdgeCifarError
from edge_cifar.report.quantities import LARGEST


class Fields:
    """A JSON object, read by key and type. What is absent or null reads as None, or as empty.

    Args:
        value: what the file holds there.
        file: what to call the file in an error.
        path: where in the file the object stands; empty for the whole document.

    Raises:
        EdgeCifarError: here and from every method, when a value has another type than asked for.
    """

    def __init__(self, value: Any, file: str, path: str = "") -> None:
        self.file = file
        self._path = path
        self._fields: Mapping[str, Any] = self._as(value, dict, "an object", path or "the document")

    def plain(self) -> dict[str, Any]:
        """The object as it stands."""
        return dict(self._fields)

    def text(self, key: str) -> str | None:
        value = self._fields.get(key)
        return None if value is None else str(self._as(value, str, "text", self._at(key)))

    def flag(self, key: str) -> bool | None:
        value = self._fields.get(key)
        return None if value is None else bool(self._as(value, bool, "true or false", self._at(key)))

    def number(self, key: str) -> float | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
            raise self._refuse(value, "a finite number", self._at(key))
        return float(value)

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        return None if value is None else round(value)

    def child(self, key: str) -> Fields:
        return Fields(self._fields.get(key) or {}, self.file, self._at(key))

    def children(self, key: str) -> Iterator[Fields]:
        for place, value in enumerate(self.items(key)):
            yield Fields(value, self.file, f"{self._at(key)}[{place}]")

    def items(self, key: str) -> list[Any]:
        return list(self._as(self._fields.get(key) or [], list, "a list", self._at(key)))

    def matrix(self, key: str) -> tuple[tuple[int, ...], ...]:
        """Counts in as many lines as columns; empty for none."""
        lines = self.items(key)
        if not all(isinstance(line, list) and len(line) == len(lines) for line in lines) or not all(
            isinstance(count, int) and count >= 0 for line in lines for count in line
        ):
            raise self.refuse(key, "a square of counts")
        return tuple(tuple(line) for line in lines)

    def refuse(self, key: str, expected: str) -> EdgeCifarError:
        """The error for a value whose meaning, not type, is wrong."""
        return self._refuse(self._fields.get(key), expected, self._at(key))

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _as(self, value: Any, kind: type, expected: str, path: str) -> Any:
        if not isinstance(value, kind):
            raise self._refuse(value, expected, path)
        return value

    def _refuse(self, value: Any, expected: str, path: str) -> EdgeCifarError:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:39] + "…"
        return EdgeCifarError(f"{self.file} is broken: {path} is {shown}, not {expected}; make it again")
