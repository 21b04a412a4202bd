"""ONNX: graphs for ONNX Runtime and whatever else reads the format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_cifar import packages
from edge_cifar.converters import AS_THEY_COME, Calibration, Options, _onnx_quantization, _onnx_weights
from edge_cifar.converters.onnx_start import start_of
from edge_cifar.converters.shared import tf_graph
from edge_cifar.documents.conversion_record import ConversionRecord, TensorSpec
from edge_cifar.precision import Precision
from edge_cifar.preprocessing import Range
from edge_cifar.processes import output_capture
from edge_cifar.storage import files, scratch

_EXTRA = "convert"


def convert(
    model: Any,
    precision: Precision,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    metadata: Mapping[str, str],
    path: Path,
    options: Options = AS_THEY_COME,
) -> ConversionRecord:
    """Write an ``.onnx`` file; its batch dimension is open and called ``batch``.

    Args:
        model: a Keras model in float32, or an :class:`edge_cifar.converters.onnx_start.OnnxStart`.
        precision: one of the format's.
        labels: class names, kept in the file's metadata.
        calibration: training images for ``int8``; the others need none.
        metadata: kept in the file beside the labels.
        path: where to write.
        options: for ``int8``.

    Returns:
        what the manifest tells of it.

    Raises:
        ConversionError: the converter cannot carry the model.
        MissingPackage: tf2onnx, onnx, ONNX Runtime or TensorFlow is not installed.
    """
    onnx = packages.require("onnx", _EXTRA)
    start = start_of(model)
    chatter = output_capture.Chatter()
    try:
        with output_capture.captured() as chatter:
            if precision.calibration == "ranges":
                graph = _onnx_quantization.quantized(start, calibration, options)
            else:
                graph = _PASSES[precision.name](onnx, start.content())
            _describe(onnx, graph, labels, metadata)
            onnx.checker.check_model(graph, full_check=True)
    except Exception as error:
        # tf2onnx and ONNX Runtime's quantizer raise whatever their passes raise, down to bare Exception.
        keras_model = None if start is model else model
        raise tf_graph.failed("onnx", precision.name, error, chatter, keras_model) from error
    with files.atomic_write(path) as partial:
        partial.write_bytes(graph.SerializeToString(deterministic=True))
    shape = (tf_graph.BATCH, *start.input_shape)
    return ConversionRecord(
        input=TensorSpec(name=tf_graph.INPUT, shape=shape, range=(0, 255), type="float32"),
        output=TensorSpec(name=tf_graph.OUTPUT, shape=(tf_graph.BATCH, len(labels)), type="float32"),
        calibration=calibration.record() if precision.calibration == "ranges" else None,
        kept_float=options.keep_float,
        details={"opset": next(entry.version for entry in graph.opset_import if not entry.domain)},
    )


def observed(
    model: Any,
    precision: Precision,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Range]:
    """What calibration images gave, and the graph in floats that they were shown to.

    Args:
        model: as for :func:`convert`.
        precision: one that reads ranges from the images.
        labels: not needed.
        calibration: the images, and how ranges follow from them: these are the ranges that follow.
        path: where to write the graph.
        options: not needed.
    """
    start = start_of(model)
    with output_capture.captured():
        ranges = _onnx_quantization.ranges(start, calibration)
    path.write_bytes(start.content())
    return {name: (float(one.lowest.item()), float(one.highest.item())) for name, one in ranges.items()}


def _keep(onnx: Any, fp32: bytes) -> Any:
    return onnx.load_from_string(fp32)


def _halve(onnx: Any, fp32: bytes) -> Any:
    float16 = packages.require("onnxruntime.transformers.float16", _EXTRA)
    onnx_model = packages.require("onnxruntime.transformers.onnx_model", _EXTRA)
    # Pixels and probabilities stay float32, so that a caller need not know.
    half = float16.convert_float_to_float16(onnx.load_from_string(fp32), keep_io_types=True)
    # The casts of input and output were appended at the end, against the order that ONNX asks for.
    onnx_model.OnnxModel.graph_topological_sort(half.graph)
    return half


def _quantize_dynamic(onnx: Any, fp32: bytes) -> Any:
    quantization = packages.require("onnxruntime.quantization", _EXTRA)
    with scratch.folder("onnx") as folder:
        start, output = folder / "fp32.onnx", folder / "dynamic.onnx"
        start.write_bytes(fp32)
        exact = onnx.load_from_string(fp32).graph
        # A depthwise convolution holds few weights, and its filters' integers are multiplied one after another.
        depthwise = [node.name for node in exact.node if _groups(node) > 1]
        quantization.quantize_dynamic(str(start), str(output), per_channel=True, nodes_to_exclude=depthwise)
        dynamic = onnx.load(output)
        _onnx_weights.rescale(dynamic.graph, exact)
        return dynamic


def _groups(node: Any) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


_PASSES: Mapping[str, Callable[[Any, bytes], Any]] = {
    "fp32": _keep,
    "fp16": _halve,
    "dynamic": _quantize_dynamic,
}


def _describe(onnx: Any, graph: Any, labels: Sequence[str], metadata: Mapping[str, str]) -> None:
    """Labels and metadata into the file; imports of operator sets that no node uses out of it."""
    used = {node.domain for node in graph.graph.node}
    imports = [entry for entry in graph.opset_import if entry.domain in used or not entry.domain]
    del graph.opset_import[:]
    graph.opset_import.extend(imports)
    graph.producer_name = "edge-cifar"
    graph.producer_version = ""
    graph.doc_string = ""
    onnx.helper.set_model_props(graph, {"labels": json.dumps(list(labels)), **metadata})
