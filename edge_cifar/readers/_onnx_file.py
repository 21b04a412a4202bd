"""The contents of an ``.onnx`` file, read without the ``onnx`` package: its nodes and constants.

Field numbers are those of ``onnx.proto3``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.protobuf import LENGTH, Budget, Field, Message
from edge_cifar.readers import damaged

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_INTEGER, _ATTRIBUTE_TEXT, _ATTRIBUTE_TENSOR = 1, 2, 3, 4, 5
_ATTRIBUTE_FLOATS, _ATTRIBUTE_INTEGERS = 7, 8
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTEGERS, _TENSOR_LONGS = 1, 2, 4, 5, 7
_TENSOR_NAME, _TENSOR_RAW = 8, 9
_VALUE_NAME = 1

_TYPES = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
_FLOAT16 = 10


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node.

    Attributes:
        kind: its operator.
        name: its own.
        inputs: names; empty where one is left out.
        outputs: names.
        attributes: by name: whole numbers, floats, texts, arrays, or tuples of numbers.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


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
            for part in graph.message() if graph.number == _MODEL_GRAPH else ():
                if part.number == _GRAPH_NODE:
                    nodes.append(_node(part.message()))
                elif part.number in names:
                    names[part.number] += [one.text() for one in part.message() if one.number == _VALUE_NAME]
                elif part.number == _GRAPH_INITIALIZER:
                    name, array = _tensor(part.message())
                    if array is not None:
                        constants[name] = array
    except BundleError as error:
        raise damaged(path, error) from error
    for node in nodes:
        # A constant may as well be a node of its own.
        if node.kind == "Constant" and len(node.outputs) == 1 and "value" in node.attributes:
            constants[node.outputs[0]] = node.attributes["value"]
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
    attributes = {}
    for part in message:
        if part.number in texts:
            texts[part.number].append(part.text())
        elif part.number == _NODE_ATTRIBUTE:
            name, value = _attribute(part.message())
            if value is not None:
                attributes[name] = value
    return Node(
        kind=texts[_NODE_KIND][-1],
        name=texts[_NODE_NAME][-1],
        inputs=tuple(texts[_NODE_INPUT]),
        outputs=tuple(texts[_NODE_OUTPUT]),
        attributes=attributes,
    )


def _attribute(message: Message) -> tuple[str, Any]:
    """Name and value of an attribute; None for a kind of value that no network here has."""
    name = ""
    value: Any = None
    numbers: list[float] = []
    for part in message:
        if part.number == _ATTRIBUTE_NAME:
            name = part.text()
        elif part.number == _ATTRIBUTE_FLOAT:
            value = float(part.numbers(np.float32)[0])
        elif part.number == _ATTRIBUTE_INTEGER:
            value = part.signed()
        elif part.number == _ATTRIBUTE_TEXT:
            value = part.text()
        elif part.number == _ATTRIBUTE_TENSOR:
            value = _tensor(part.message())[1]
        elif part.number == _ATTRIBUTE_FLOATS:
            numbers += part.numbers(np.float32).tolist()
        elif part.number == _ATTRIBUTE_INTEGERS:
            numbers += part.integers()
    return name, tuple(numbers) if numbers else value


def _tensor(message: Message) -> tuple[str, NDArray[Any] | None]:
    """Name and numbers of a constant; None for kinds of number that no network here is made of."""
    name, code, shape = "", 0, list[int]()
    fields: dict[int, list[Field]] = {
        kind: [] for kind in (_TENSOR_RAW, _TENSOR_FLOATS, _TENSOR_INTEGERS, _TENSOR_LONGS)
    }
    for part in message:
        if part.number == _TENSOR_NAME:
            name = part.text()
        elif part.number == _TENSOR_TYPE:
            code = part.unsigned()
        elif part.number == _TENSOR_DIMENSIONS:
            shape += part.integers()
        elif part.number in fields:
            fields[part.number].append(part)
    if code not in _TYPES:
        return name, None
    array = _numbers(fields, code)
    if array is None:
        return name, None
    if min(shape, default=0) < 0 or array.size != math.prod(shape):
        raise BundleError(f"the constant {name!r} of shape {shape} has {array.size} values")
    return name, array.reshape(shape)


def _numbers(fields: Mapping[int, Sequence[Field]], code: int) -> NDArray[Any] | None:
    kind = np.dtype(_TYPES[code])
    for part in fields[_TENSOR_RAW]:
        raw = part.bytes()
        if len(raw) % kind.itemsize:
            raise BundleError(f"{len(raw)} bytes do not divide into values of {kind.itemsize} bytes")
        return np.frombuffer(raw, kind)
    if fields[_TENSOR_FLOATS] and code == 1:
        return np.concatenate([part.numbers(np.float32) for part in fields[_TENSOR_FLOATS]])
    stored = fields[_TENSOR_INTEGERS] or fields[_TENSOR_LONGS]
    if stored:
        integers = np.array([value for part in stored for value in part.integers()], np.int64)
        # Half precision is stored as bits.
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
