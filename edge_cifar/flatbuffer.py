"""The FlatBuffers format, as far as reading a ``.tflite`` file takes."""

from __future__ import annotations

import mmap
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What reading may copy, by the size of the file. A sound file's vectors are read once or twice each.
_COPIES = 4
_SLACK_BYTES = 1 << 24


class Flatbuffer:
    """Tables by their places in the file, and their fields by their numbers in the schema.

    Every read goes through ``struct`` or is held to the file's size: what lies outside of it raises
    ``struct.error``. Source: the FlatBuffers internals page, https://flatbuffers.dev/internals/.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        self._left = _COPIES * len(data) + _SLACK_BYTES

    def root(self) -> int:
        """The root table."""
        return self._u32(0)

    def number(self, table: int, field: int, form: str = "<I") -> int:
        """A whole number, stored as ``struct`` calls it; 0, its default, when it is left out."""
        place = self._field(table, field)
        return int(struct.unpack_from(form, self._data, place)[0]) if place else 0

    def value(self, table: int, field: int, form: str, default: float) -> float:
        """A number or truth value, stored as ``struct`` calls it; ``default`` when it is left out."""
        place = self._field(table, field)
        return float(struct.unpack_from(form, self._data, place)[0]) if place else default

    def bytes(self, table: int, field: int) -> bytes:
        """A string or a vector of bytes; empty when it is left out."""
        return self.array(table, field, "u1").tobytes()

    def array(self, table: int, field: int, dtype: str) -> NDArray[Any]:
        """A vector of numbers; empty when it is left out."""
        start, count = self._elements(table, field)
        kind = np.dtype(dtype)
        if start + count * kind.itemsize > len(self._data):
            raise struct.error("numbers outside the file")
        self._spend(count * kind.itemsize)
        return np.frombuffer(self._data[start : start + count * kind.itemsize], kind)

    def table(self, table: int, field: int) -> int | None:
        """The table that a field points to; None when it is left out."""
        place = self._field(table, field)
        return place + self._u32(place) if place else None

    def tables(self, table: int, field: int) -> list[int]:
        """The tables in a vector; none when it is left out."""
        start, count = self._elements(table, field)
        if start + 4 * count > len(self._data):
            raise struct.error("tables outside the file")
        self._spend(4 * count)
        return [place + self._u32(place) for place in range(start, start + 4 * count, 4)]

    def _spend(self, size: int) -> None:
        """Count what is copied: any number of tables may point to one vector."""
        self._left -= size
        if self._left < 0:
            raise struct.error("its vectors are shared by more tables than any network has")

    def _elements(self, table: int, field: int) -> tuple[int, int]:
        place = self._field(table, field)
        if not place:
            return 0, 0
        start = place + self._u32(place)
        return start + 4, self._u32(start)

    def _field(self, table: int, field: int) -> int:
        """Place of a table's field, by way of its vtable; 0 when it is left out."""
        vtable = table - struct.unpack_from("<i", self._data, table)[0]
        if vtable < 0:
            raise struct.error("vtable outside the file")
        entry = 4 + 2 * field
        if entry >= self._u16(vtable):
            return 0
        offset = self._u16(vtable + entry)
        return table + offset if offset else 0

    def _u16(self, place: int) -> int:
        return int(struct.unpack_from("<H", self._data, place)[0])

    def _u32(self, place: int) -> int:
        return int(struct.unpack_from("<I", self._data, place)[0])
