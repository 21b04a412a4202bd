"""Opening an ONNX file that somebody else made: a classifier in float32, in the form that can be built on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_cifar import model_files, packages
from edge_cifar.errors import BundleError, ModelError, first_line

_EXTRA = "convert"
# Quantization by channel is written with opset 13 and newer; 17 is what our own files have.
_LEAST_OPSET, _OPSET = 13, 17
_QUANTIZED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
)


def opened(path: Path) -> Any:
    """An ONNX model, its functions inlined, its nodes named, and without what exporters note for debugging.

    Raises:
        ModelError: the file is damaged, quantized already, or not in float32.
        MissingPackage: onnx is not installed.
    """
    onnx = packages.require("onnx", _EXTRA)
    try:
        model_files.parts(path)
        model = onnx.load(path)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except BundleError as error:
        raise ModelError(str(error)) from error
    except Exception as error:
        # Protobuf, onnx and its C++ parts each raise errors of their own.
        raise ModelError(f"{path} is no ONNX model that can be read ({first_line(error)}); export it again") from error
    if not model.graph.node:
        raise ModelError(f"{path} is no ONNX model that can be read (it has no graph); export it again")
    _refuse(onnx, path, model)
    if _opset(model) < _LEAST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, _OPSET)
        except Exception as error:
            raise ModelError(
                f"{path} uses opset {_opset(model)}, and cannot be converted to a newer one ({first_line(error)}); "
                f"export it with opset {_OPSET} or newer"
            ) from error
    _tidy(model)
    return model


def inputs(model: Any) -> list[Any]:
    """What a model is fed; old files list their weights among the inputs."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def shape(value: Any) -> tuple[int | None, ...]:
    """Of an input or output; None for a side of any length."""
    sides = value.type.tensor_type.shape.dim
    return tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in sides)


def _refuse(onnx: Any, path: Path, model: Any) -> None:
    operators = {node.op_type for node in model.graph.node}
    if found := sorted(operators.intersection(_QUANTIZED)):
        raise ModelError(
            f"{path} is quantized already (it contains {found[0]}); give the float32 model that it was made from. "
            "predict, serve and bench take it as it is"
        )
    if any(tensor.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16) for tensor in _constants(model)):
        raise ModelError(f"{path} stores weights in half precision; export the model in float32")
    for value in inputs(model):
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
            raise ModelError(f"{path} takes {kind} inputs ({value.name}); export it with a float32 image as its input")


def _constants(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def _opset(model: Any) -> int:
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def _tidy(model: Any) -> None:
    """Name the nodes that have no name of their own, and drop stack traces, which tell of the exporter's machine."""
    graph = model.graph
    fed = inputs(model)
    del graph.input[:]
    graph.input.extend(fed)
    del graph.value_info[:]
    taken: set[str] = set()
    for node in graph.node:
        stem = node.name or node.op_type
        number = 1
        while (name := stem if number == 1 else f"{stem}_{number}") in taken:
            number += 1
        taken.add(name)
        node.name, node.doc_string = name, ""
        node.ClearField("metadata_props")
    model.doc_string = graph.doc_string = ""
    graph.ClearField("metadata_props")
