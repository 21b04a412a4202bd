"""Class names that a model file itself holds, where the runtime does not hand them out."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path

from edge_cifar.errors import BundleError

LABELS = "labels"

# Places of the fields in the tables of TensorFlow Lite's schema (schema.fbs, version 3).
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0


def parsed(text: str, source: str) -> tuple[str, ...]:
    """Labels as the converters write them: a JSON list of names.

    Raises:
        BundleError: the text is something else.
    """
    try:
        names = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the labels inside {source} are not JSON: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleError(f"the labels inside {source} are no list of names")
    return tuple(names)


def of_tflite(path: Path) -> tuple[str, ...] | None:
    """Labels in the metadata of a ``.tflite`` file; None where it has none.

    Raises:
        BundleError: the file's tables point outside it.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            text = _metadata(_Flatbuffer(data), LABELS)
        except (struct.error, UnicodeDecodeError) as error:
            raise BundleError(f"{path} is damaged: its metadata point outside the file; export it again") from error
    return None if text is None else parsed(text, path.name)


def _metadata(flatbuffer: _Flatbuffer, wanted: str) -> str | None:
    model = flatbuffer.root()
    buffers = flatbuffer.vector(model, _MODEL_BUFFERS)
    for entry in flatbuffer.vector(model, _MODEL_METADATA):
        if flatbuffer.bytes(entry, _METADATA_NAME) != wanted.encode():
            continue
        number = flatbuffer.number(entry, _METADATA_BUFFER)
        if number >= len(buffers):
            raise struct.error("no such buffer")
        return flatbuffer.bytes(buffers[number], _BUFFER_DATA).decode("utf-8")
    return None


class _Flatbuffer:
    """The little of the FlatBuffers format that finding a named buffer takes.

    Every read goes through ``struct``, which refuses what lies outside of the file.
    Source: the FlatBuffers internals page, https://flatbuffers.dev/internals/.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def root(self) -> int:
        return self._u32(0)

    def number(self, table: int, field: int) -> int:
        """An unsigned 32-bit field; 0, its default, when it is left out."""
        place = self._field(table, field)
        return self._u32(place) if place else 0

    def bytes(self, table: int, field: int) -> bytes:
        """A string or a vector of bytes; empty when it is left out."""
        start, count = self._elements(table, field)
        if start + count > len(self._data):
            raise struct.error("bytes outside of the file")
        return self._data[start : start + count]

    def vector(self, table: int, field: int) -> list[int]:
        """Places of the tables in a vector; empty when it is left out."""
        start, count = self._elements(table, field)
        if start + 4 * count > len(self._data):
            raise struct.error("tables outside of the file")
        return [place + self._u32(place) for place in range(start, start + 4 * count, 4)]

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
            raise struct.error("vtable outside of the file")
        entry = 4 + 2 * field
        if entry >= self._u16(vtable):
            return 0
        offset = self._u16(vtable + entry)
        return table + offset if offset else 0

    def _u16(self, place: int) -> int:
        return int(struct.unpack_from("<H", self._data, place)[0])

    def _u32(self, place: int) -> int:
        return int(struct.unpack_from("<I", self._data, place)[0])
