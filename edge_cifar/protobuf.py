"""The protobuf wire format, read with every length checked.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

MOST_FIELDS = 1_000_000
"""Fields in one file: each costs a Python object, so this bounds the reader's memory. ResNet50 has under 100,000."""

_VARINT_BYTES = 10
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class Budget:
    """Counts the fields read from one file, all messages together."""

    def __init__(self, fields: int = MOST_FIELDS) -> None:
        self._left = fields

    def spend(self, count: int) -> None:
        """Raises BundleError when the file holds more fields than any real one."""
        self._left -= count
        if self._left < 0:
            raise BundleError(f"the model description has more than {MOST_FIELDS} fields")


class Field:
    """One field of a message: its number, its wire type and its undecoded content."""

    __slots__ = ("_budget", "_content", "number", "wire")

    def __init__(self, number: int, wire: int, content: int | memoryview, budget: Budget) -> None:
        self.number = number
        self.wire = wire
        self._content = content
        self._budget = budget

    def message(self) -> Message:
        """The field as an embedded message."""
        return Message(self.bytes(), self._budget)

    def bytes(self) -> memoryview:
        """The field as a run of bytes."""
        if self.wire != LENGTH or isinstance(self._content, int):
            raise self._wrong("bytes")
        return self._content

    def text(self) -> str:
        """The field as UTF-8 text."""
        try:
            return str(self.bytes(), "utf-8")
        except UnicodeDecodeError as error:
            raise BundleError(f"field {self.number} of the model description is not UTF-8 text") from error

    def unsigned(self) -> int:
        """The field as an unsigned integer of 64 bits."""
        if self.wire != VARINT or not isinstance(self._content, int):
            raise self._wrong("an integer")
        return self._content

    def signed(self) -> int:
        """The field as a signed integer: negative ones are stored in two's complement of 64 bits."""
        return _signed(self.unsigned())

    def integers(self) -> list[int]:
        """The field as part of a repeated signed integer, packed or not."""
        if self.wire == VARINT:
            return [self.signed()]
        content = self.bytes()
        values = []
        position = 0
        while position < len(content):
            value, position = _varint(content, position)
            values.append(_signed(value))
            self._budget.spend(1)
        return values

    def numbers(self, dtype: type[np.float32 | np.float64]) -> NDArray[np.floating[Any]]:
        """The field as part of a repeated float or double, packed or not."""
        size = np.dtype(dtype).itemsize
        if self.wire not in (LENGTH, {4: FIXED32, 8: FIXED64}[size]) or isinstance(self._content, int):
            raise self._wrong("floating-point numbers")
        if len(self._content) % size:
            raise self._wrong("floating-point numbers")
        return np.frombuffer(self._content, np.dtype(dtype).newbyteorder("<")).astype(dtype)

    def _wrong(self, wanted: str) -> BundleError:
        return BundleError(f"field {self.number} of the model description has wire type {self.wire}; expected {wanted}")


class Message:
    """A message whose fields are read one after another; iterate over it."""

    def __init__(self, content: memoryview, budget: Budget) -> None:
        self._content = content
        self._budget = budget

    def __iter__(self) -> Iterator[Field]:
        content, position = self._content, 0
        while position < len(content):
            self._budget.spend(1)
            key, position = _varint(content, position)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise BundleError("the model description has a field number 0")
            if wire == VARINT:
                value, position = _varint(content, position)
                yield Field(number, wire, value, self._budget)
                continue
            if wire == LENGTH:
                size, position = _varint(content, position)
            elif wire in _FIXED_BYTES:
                size = _FIXED_BYTES[wire]
            else:
                raise BundleError(f"the model description has a field of the unknown wire type {wire}")
            if size > len(content) - position:
                raise BundleError(
                    f"field {number} of the model description runs past its end; the file is truncated or corrupt"
                )
            yield Field(number, wire, content[position : position + size], self._budget)
            position += size


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES):
        if position + index >= len(content):
            raise BundleError("the model description ends within a number; the file is truncated or corrupt")
        byte = content[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
    raise BundleError(f"the model description has a varint of more than {_VARINT_BYTES} bytes")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
