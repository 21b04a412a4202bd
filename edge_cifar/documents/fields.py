"""JSON from files that nobody vouches for: every value is asked for by type, and a wrong one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from edge_cifar.errors import BundleError

T = TypeVar("T")

# No figure of ours comes near; what does is no measurement, and may be too large for a float.
LARGEST = 1e100


class Fields:
    """A JSON object, read by key and type.

    What is absent or null reads as None, or as empty; the ``required_`` methods refuse it.

    Args:
        value: what the file holds there.
        file: what to call the file in an error.
        path: where in the file the object stands; empty for the whole document.

    Raises:
        BundleError: here and from every method, when a value has another type than asked for.
    """

    def __init__(self, value: Any, file: str, path: str = "") -> None:
        self.file = file
        self._path = path
        self._fields: Mapping[str, Any] = self._as(value, dict, "an object", path or "the document")
        self._asked: set[str] = set()

    def plain(self) -> dict[str, Any]:
        """The object as it stands."""
        return dict(self._fields)

    def rest(self) -> dict[str, Any]:
        """What has not been asked for so far."""
        return {key: value for key, value in self._fields.items() if key not in self._asked}

    def text(self, key: str) -> str | None:
        value = self._get(key)
        return None if value is None else str(self._as(value, str, "text", self._at(key)))

    def flag(self, key: str) -> bool | None:
        value = self._get(key)
        return None if value is None else bool(self._as(value, bool, "true or false", self._at(key)))

    def number(self, key: str) -> float | None:
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
            raise self._refuse(value, "a finite number", self._at(key))
        return float(value)

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        return None if value is None else round(value)

    def required_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.refuse(key, "text")
        return value

    def printable(self, key: str) -> str:
        """A text that must be there and can be shown as it is."""
        value = self.required_text(key)
        if not value.isprintable():
            raise self.refuse(key, "printable")
        return value

    def required_number(self, key: str) -> float:
        value = self.number(key)
        if value is None:
            raise self.refuse(key, "a finite number")
        return value

    def required_whole(self, key: str) -> int:
        return round(self.required_number(key))

    def has(self, key: str) -> bool:
        """Whether anything stands there: an absent or null value, and an empty object or list, is nothing."""
        return bool(self._get(key))

    def child(self, key: str) -> Fields:
        return Fields(self._get(key) or {}, self.file, self._at(key))

    def optional(self, key: str, read: Callable[[Fields], T]) -> T | None:
        """What ``read`` makes of the object there; None where nothing stands."""
        return read(self.child(key)) if self.has(key) else None

    def choice(self, key: str, known: Mapping[str, T], expected: str) -> T:
        """What one of the known texts stands for; ``expected`` says in words which there are."""
        text = self.text(key) or ""
        if text not in known:
            raise self.refuse(key, expected)
        return known[text]

    def children(self, key: str) -> Iterator[Fields]:
        for place, value in enumerate(self.items(key)):
            yield Fields(value, self.file, f"{self._at(key)}[{place}]")

    def items(self, key: str) -> list[Any]:
        return list(self._as(self._get(key) or [], list, "a list", self._at(key)))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty for none."""
        return tuple(map(str, self.items(key)))

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers; empty for none."""
        listed = Fields({str(place): value for place, value in enumerate(self.items(key))}, self.file, self._at(key))
        return tuple(listed.required_number(place) for place in listed.plain())

    def matrix(self, key: str) -> tuple[tuple[int, ...], ...]:
        """Counts in as many lines as columns; empty for none."""
        lines = self.items(key)
        if not all(isinstance(line, list) and len(line) == len(lines) for line in lines) or not all(
            isinstance(count, int) and count >= 0 for line in lines for count in line
        ):
            raise self.refuse(key, "a square of counts")
        return tuple(tuple(line) for line in lines)

    def refuse(self, key: str, expected: str) -> BundleError:
        """The error for a value whose meaning, not type, is wrong."""
        return self._refuse(self._get(key), expected, self._at(key))

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self._fields.get(key)

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _as(self, value: Any, kind: type, expected: str, path: str) -> Any:
        if not isinstance(value, kind):
            raise self._refuse(value, expected, path)
        return value

    def _refuse(self, value: Any, expected: str, path: str) -> BundleError:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:39] + "…"
        return BundleError(f"{self.file} is damaged: {path} is {shown}, not {expected}; create it again")
