"""What an ``.onnx`` file holds, read without the ``onnx`` package: its nodes and its constants.

Field numbers are those of ``onnx.proto3``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.contents import damaged
from edge_cifar.errors import BundleError
from edge_cifar.runtimes._mil.wire import LENGTH, Budget, Field, Message

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND = 1, 2, 3, 4
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTEGERS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 5, 8, 9
_VALUE_NAME = 1

_TYPES = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
_FLOAT16 = 10


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node: its operator, and the names of its inputs (empty where left out) and outputs."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A file's graph.

    Attributes:
        nodes: in the order in which they are computed.
        inputs: names of the values that are fed.
        outputs: names of the values that are given.
        constants: by name.
    """

    nodes: Sequence[Node]
    inputs: Sequence[str]
    outputs: Sequence[str]
    constants: Mapping[str, NDArray[Any]]


def read(path: Path) -> Graph:
    """Read an ``.onnx`` file.

    Raises:
        BundleError: the file is damaged.
    """
    nodes: list[Node] = []
    names: dict[int, list[str]] = {_GRAPH_INPUT: [], _GRAPH_OUTPUT: []}
    constants: dict[str, NDArray[Any]] = {}
    try:
        for graph in Message(memoryview(path.read_bytes()), Budget()):
            for field in graph.message() if graph.number == _MODEL_GRAPH else ():
                if field.number == _GRAPH_NODE:
                    nodes.append(_node(field.message()))
                elif field.number in names:
                    names[field.number] += [part.text() for part in field.message() if part.number == _VALUE_NAME]
                elif field.number == _GRAPH_INITIALIZER:
                    name, array = _tensor(field.message())
                    if array is not None:
                        constants[name] = array
    except BundleError as error:
        raise damaged(path, error) from error
    return Graph(nodes=nodes, inputs=names[_GRAPH_INPUT], outputs=names[_GRAPH_OUTPUT], constants=constants)


def with_outputs(content: bytes, names: Iterable[str]) -> bytes:
    """A model that also gives values on its way as outputs.

    A message that stands twice in a file of protobuf's is merged, its lists one after the other: so a
    second graph that holds nothing but outputs is appended.

    Args:
        content: a model file.
        names: of the values.
    """
    outputs = b"".join(_written(_GRAPH_OUTPUT, _written(_VALUE_NAME, name.encode())) for name in names)
    return content + _written(_MODEL_GRAPH, outputs)


def _node(message: Message) -> Node:
    texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_NAME: [""], _NODE_KIND: [""]}
    for field in message:
        if field.number in texts:
            texts[field.number].append(field.text())
    return Node(
        kind=texts[_NODE_KIND][-1],
        name=texts[_NODE_NAME][-1],
        inputs=tuple(texts[_NODE_INPUT]),
        outputs=tuple(texts[_NODE_OUTPUT]),
    )


def _tensor(message: Message) -> tuple[str, NDArray[Any] | None]:
    """Name and numbers of a constant; None for kinds of number that no network here is made of."""
    name, code, shape = "", 0, list[int]()
    fields: dict[int, list[Field]] = {_TENSOR_RAW: [], _TENSOR_FLOATS: [], _TENSOR_INTEGERS: []}
    for field in message:
        if field.number == _TENSOR_NAME:
            name = field.text()
        elif field.number == _TENSOR_TYPE:
            code = field.unsigned()
        elif field.number == _TENSOR_DIMENSIONS:
            shape += field.integers()
        elif field.number in fields:
            fields[field.number].append(field)
    if code not in _TYPES:
        return name, None
    array = _numbers(fields, code)
    if array is None:
        return name, None
    if min(shape, default=0) < 0 or array.size != math.prod(shape):
        raise BundleError(f"the constant {name!r} of shape {shape} has {array.size} numbers")
    return name, array.reshape(shape)


def _numbers(fields: Mapping[int, Sequence[Field]], code: int) -> NDArray[Any] | None:
    kind = np.dtype(_TYPES[code])
    for field in fields[_TENSOR_RAW]:
        raw = field.bytes()
        if len(raw) % kind.itemsize:
            raise BundleError(f"{len(raw)} bytes are no numbers of {kind.itemsize} bytes each")
        return np.frombuffer(raw, kind)
    if fields[_TENSOR_FLOATS] and code == 1:
        return np.concatenate([field.numbers(np.float32) for field in fields[_TENSOR_FLOATS]])
    if fields[_TENSOR_INTEGERS]:
        integers = np.array([value for field in fields[_TENSOR_INTEGERS] for value in field.integers()], np.int64)
        # Half precision stands there by its bits.
        return integers.astype(np.uint16).view(np.float16) if code == _FLOAT16 else integers.astype(kind)
    return None


def _written(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
