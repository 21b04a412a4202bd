"""Texts that a model file carries in its metadata, and the class names among them."""

from __future__ import annotations

import ast
import mmap
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from edge_cifar.errors import BundleError
from edge_cifar.flatbuffer import Flatbuffer
from edge_cifar.storage import strict_json

LABELS = "labels"
# As other exporters call them, Ultralytics' "names" among them: a Python dict by class number, or a list.
FOREIGN_LABELS = ("names", "classes")
DESCRIPTION = "description"
# What the exporting step writes into every artifact's description.
_RAW_PIXELS = "raw RGB pixels in"
# Of text that is read as Python; the names of ImageNet's 21,841 classes take a twentieth of it.
_MOST_CHARACTERS = 1 << 23

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
        raise BundleError(f"the labels inside {source} are not a list of names")
    return tuple(names)


def of_texts(texts: Mapping[str, str], source: str) -> tuple[str, ...] | None:
    """Labels among the texts that a file carries; None where there are none.

    Raises:
        BundleError: the text that our converters call the labels is something else.
    """
    if LABELS in texts:
        return parsed(texts[LABELS], source)
    return next(filter(None, (_foreign(texts[name]) for name in FOREIGN_LABELS if name in texts)), None)


def take_raw_pixels(texts: Mapping[str, str]) -> bool:
    """Whether the texts that a file carries say that it takes pixels as 0 to 255."""
    return _RAW_PIXELS in texts.get(DESCRIPTION, "")


def of_tflite(path: Path) -> tuple[str, ...] | None:
    """Labels in the metadata of a ``.tflite`` file; None where it has none.

    Raises:
        BundleError: the file's tables point outside it.
    """
    return of_texts(texts_of_tflite(path, (LABELS, *FOREIGN_LABELS)), path.name)


def texts_of_tflite(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Texts in the metadata of a ``.tflite`` file, by name.

    Args:
        path: the file.
        wanted: names of those that are read; what else is there may be no text.

    Raises:
        BundleError: the file's tables point outside it.
    """
    try:
        return {name: content.decode("utf-8") for name, content in buffers_of_tflite(path, wanted).items()}
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is corrupt: its metadata is not UTF-8 text; export it again") from error


def buffers_of_tflite(path: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Entries in the metadata of a ``.tflite`` file, by name.

    Args:
        path: the file.
        wanted: names of those that are read.

    Raises:
        BundleError: the file's tables point outside it.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _metadata(Flatbuffer(data), wanted)
        except struct.error as error:
            raise BundleError(f"{path} is corrupt: its metadata points outside the file; export it again") from error


def _metadata(flatbuffer: Flatbuffer, wanted: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    model = flatbuffer.root()
    buffers = flatbuffer.tables(model, _MODEL_BUFFERS)
    for entry in flatbuffer.tables(model, _MODEL_METADATA):
        name = flatbuffer.bytes(entry, _METADATA_NAME).decode("utf-8", errors="replace")
        if name not in wanted:
            continue
        number = flatbuffer.number(entry, _METADATA_BUFFER)
        if number >= len(buffers):
            raise struct.error("no such buffer")
        found[name] = flatbuffer.bytes(buffers[number], _BUFFER_DATA)
    return found


def literal(text: str) -> Any:
    """The value of a text of JSON or of Python's constants; None for anything else."""
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        # Both ways of writing: literal_eval takes constants alone and calls nothing.
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _foreign(text: str) -> tuple[str, ...] | None:
    """Names as another exporter wrote them: a list, or a dict by class number, as JSON or as Python; else None."""
    names = literal(text)
    if isinstance(names, dict):
        numbers = [str(number) for number in names]
        names = list(names.values()) if numbers == [str(number) for number in range(len(names))] else None
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
