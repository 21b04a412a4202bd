"""Weights that an ``.onnx`` file keeps in other files beside it, as large models and newer exporters have them.

Field numbers are those of ``onnx.proto3``; https://onnx.ai/onnx/repo-docs/ExternalData.html
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from edge_cifar.errors import BundleError
from edge_cifar.protobuf import LENGTH, Budget, Field, Message
from edge_cifar.storage import files

_MARK = b"location"
# Which fields of a message lead to tensors, by what the message is, and what the field's own message is.
_PATHS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_EXTERNAL, _ENTRY_KEY, _ENTRY_VALUE = 13, 1, 2


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that hold the weights of an ``.onnx`` file beside itself, each once, sorted; none for most.

    Raises:
        BundleError: one is missing or lies outside the file's folder, or the file is damaged.
    """
    if not path.stat().st_size:
        return ()
    with path.open("rb") as stream:
        # Not closed by hand: fields of the file that an error still holds are views of it.
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    # Few files have any, and looking for the word costs far less than reading the whole structure.
    if content.find(_MARK) < 0:
        return ()
    names = sorted(set(_locations(memoryview(content))))
    try:
        found = tuple(files.inside(path.parent, name) for name in names)
    except BundleError as error:
        raise BundleError(
            f"{path} refers to weights outside its folder, which are not read ({', '.join(names)})"
        ) from error
    if missing := [one.name for one in found if not one.is_file()]:
        raise BundleError(
            f"{path} stores its weights in {', '.join(missing)}, which is missing; copy it next to the model"
        )
    return found


def _locations(view: memoryview) -> Iterator[str]:
    pending: list[tuple[str, memoryview]] = [("model", view)]
    budget = Budget()
    while pending:
        kind, content = pending.pop()
        leads = _PATHS.get(kind, {})
        for field in Message(content, budget):
            if field.wire != LENGTH:
                continue
            if kind == "tensor" and field.number == _TENSOR_EXTERNAL:
                yield from _location(field)
            elif field.number in leads:
                pending.append((leads[field.number], field.bytes()))


def _location(entry: Field) -> Iterator[str]:
    texts = {field.number: field for field in entry.message()}
    if _ENTRY_KEY in texts and _ENTRY_VALUE in texts and texts[_ENTRY_KEY].text() == _MARK.decode():
        yield texts[_ENTRY_VALUE].text()
