"""Class names that a model file itself holds, where the runtime does not hand them out."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from edge_cifar import strict_json
from edge_cifar.errors import BundleError
from edge_cifar.runtimes._flatbuffer import Flatbuffer

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
        names = strict_json.parse(text)
    except ValueError as error:
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
            text = _metadata(Flatbuffer(data), LABELS)
        except (struct.error, UnicodeDecodeError) as error:
            raise BundleError(f"{path} is damaged: its metadata point outside the file; export it again") from error
    return None if text is None else parsed(text, path.name)


def _metadata(flatbuffer: Flatbuffer, wanted: str) -> str | None:
    model = flatbuffer.root()
    buffers = flatbuffer.tables(model, _MODEL_BUFFERS)
    for entry in flatbuffer.tables(model, _MODEL_METADATA):
        if flatbuffer.bytes(entry, _METADATA_NAME) != wanted.encode():
            continue
        number = flatbuffer.number(entry, _METADATA_BUFFER)
        if number >= len(buffers):
            raise struct.error("no such buffer")
        return flatbuffer.bytes(buffers[number], _BUFFER_DATA).decode("utf-8")
    return None
