"""A ``.tflite`` file as objects that can be changed, and back, by the classes that LiteRT's schema was compiled to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages

_EXTRA = "convert"
_IDENTIFIER = b"TFL3"
# It grows from there.
_FIRST_BYTES = 1024


def parsed(content: bytes) -> Any:
    """The file's ``ModelT``; its arrays may be views into the file, which are not to be written to."""
    schema = _schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model: Any) -> bytes:
    """The file of a ``ModelT``."""
    builder = packages.require("flatbuffers", _EXTRA).Builder(_FIRST_BYTES)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def add_metadata(model: Any, name: str, content: str | bytes) -> None:
    """Add an entry to a model's table of named buffers."""
    entry = _schema().MetadataT()
    entry.name = name
    entry.buffer = _add_buffer(model, content.encode("utf-8") if isinstance(content, str) else content)
    model.metadata = [*(model.metadata or []), entry]


def add_constant(model: Any, name: str, values: NDArray[np.float32]) -> int:
    """Add a vector to a model's only graph, in a buffer of its own; returns the number of its tensor."""
    schema = _schema()
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name.encode(), [len(values)], schema.TensorType.FLOAT32
    tensor.buffer = _add_buffer(model, values.astype("<f4").tobytes())
    (graph,) = model.subgraphs
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _add_buffer(model: Any, content: bytes) -> int:
    buffer = _schema().BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _schema() -> Any:
    return packages.require("ai_edge_litert.schema_py_generated", _EXTRA)
