"""The contents of a ``.tflite`` file, read without LiteRT: its operators, tensors and constants.

Field numbers are those of TensorFlow Lite's schema (schema.fbs, version 3).
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.flatbuffer import Flatbuffer
from edge_cifar.readers import damaged
from edge_cifar.readers._tflite_options import KINDS, options

_MODEL_OPERATOR_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_CODE_DEPRECATED, _CODE = 0, 3
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_NAME, _TENSOR_QUANTIZATION = 0, 1, 2, 3, 4
_QUANTIZATION_SCALE, _QUANTIZATION_ZERO_POINT, _QUANTIZATION_AXIS = 2, 3, 6
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS, _OPERATOR_OPTIONS = 0, 1, 2, 4
_BUFFER_DATA = 0

_TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 7: "<i2", 9: "i1"}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor.

    Attributes:
        name: as the converter gave it.
        shape: with the batch.
        dtype: of its stored numbers; None for what is not read here (text, truth values).
        constant: its stored numbers; None where they are computed.
        scales: float32, one for the whole tensor or one for each slice along ``axis``; empty without quantization.
        zero_points: int64, as many.
        axis: that the scales run along.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    constant: NDArray[Any] | None
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int

    def along_axis(self, vector: NDArray[Any]) -> NDArray[Any]:
        """A vector of as many numbers as there are scales, shaped to be combined with the tensor."""
        if len(vector) == 1:
            return vector.reshape(())
        shape = [1] * len(self.shape)
        shape[self.axis] = len(vector)
        return vector.reshape(shape)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator.

    Attributes:
        kind: its name, or its number where it is none that classifiers are made of.
        inputs: numbers of its input tensors, -1 for one that is left out.
        outputs: numbers of its output tensors.
        options: those that say what it computes and have not their default value.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The only graph of a file; empty where it has none.

    Attributes:
        tensors: by number.
        inputs: numbers of those that are fed.
        outputs: numbers of those that are given.
        operators: in the order in which they are computed.
    """

    tensors: Sequence[Tensor]
    inputs: Sequence[int]
    outputs: Sequence[int]
    operators: Sequence[Operator]


def read(path: Path) -> Graph:
    """Read a ``.tflite`` file.

    Raises:
        BundleError: the file's tables point outside it, or contradict each other.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _graph(Flatbuffer(data))
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def _graph(file: Flatbuffer) -> Graph:
    model = file.root()
    graphs = file.tables(model, _MODEL_SUBGRAPHS)
    if not graphs:
        return Graph(tensors=(), inputs=(), outputs=(), operators=())
    if len(graphs) > 1:
        raise ValueError(f"it has {len(graphs)} graphs, expected one")
    codes = [
        max(file.number(code, _CODE_DEPRECATED, "<b"), file.number(code, _CODE, "<i"))
        for code in file.tables(model, _MODEL_OPERATOR_CODES)
    ]
    buffers = file.tables(model, _MODEL_BUFFERS)
    # Each buffer once, however many tensors point to it.
    stored = cache(lambda number: file.array(buffers[number], _BUFFER_DATA, "u1"))
    tensors = [_tensor(file, table, stored) for table in file.tables(graphs[0], _GRAPH_TENSORS)]
    operators = []
    for table in file.tables(graphs[0], _GRAPH_OPERATORS):
        code = codes[file.number(table, _OPERATOR_CODE)]
        inputs, outputs = (
            tuple(file.array(table, field, "<i4").tolist()) for field in (_OPERATOR_INPUTS, _OPERATOR_OUTPUTS)
        )
        if not all(-1 <= number < len(tensors) for number in inputs + outputs):
            raise ValueError("an operator refers to a tensor that does not exist")
        kind = KINDS.get(code, str(code))
        said = options(file, file.table(table, _OPERATOR_OPTIONS), kind)
        operators.append(Operator(kind=kind, inputs=inputs, outputs=outputs, options=said))
    fed, given = (file.array(graphs[0], field, "<i4").tolist() for field in (_GRAPH_INPUTS, _GRAPH_OUTPUTS))
    if not all(0 <= number < len(tensors) for number in (*fed, *given)):
        raise ValueError("an input or output refers to a tensor that does not exist")
    return Graph(tensors=tensors, inputs=fed, outputs=given, operators=operators)


def _tensor(file: Flatbuffer, table: int, buffer: Callable[[int], NDArray[Any]]) -> Tensor:
    shape = tuple(file.array(table, _TENSOR_SHAPE, "<i4").tolist())
    code = _TYPES.get(file.number(table, _TENSOR_TYPE, "<b"))
    scales, zero_points, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    quantization = file.table(table, _TENSOR_QUANTIZATION)
    if quantization is not None:
        scales = file.array(quantization, _QUANTIZATION_SCALE, "<f4")
        zero_points = file.array(quantization, _QUANTIZATION_ZERO_POINT, "<i8")
        axis = file.number(quantization, _QUANTIZATION_AXIS, "<i")
    if len(zero_points) != len(scales) or (len(scales) > 1 and shape[axis] != len(scales)):
        raise ValueError("the scales of a tensor do not match its shape")
    stored = buffer(file.number(table, _TENSOR_BUFFER))
    constant = None
    if len(stored) and code is not None:
        if min(shape, default=0) < 0 or len(stored) != math.prod(shape) * np.dtype(code).itemsize:
            raise ValueError(f"a constant of shape {list(shape)} has {len(stored)} bytes")
        constant = stored.view(code).reshape(shape)
    return Tensor(
        name=file.bytes(table, _TENSOR_NAME).decode("utf-8"),
        shape=shape,
        dtype=None if code is None else np.dtype(code),
        constant=constant,
        scales=scales,
        zero_points=zero_points,
        axis=axis,
    )
