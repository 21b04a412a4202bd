"""ONNX: graphs for ONNX Runtime and whatever else reads the format."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import AS_THEY_COME, Calibration, Options, _onnx_quantization, _onnx_weights
from edge_cifar.converters.shared import tf_graph
from edge_cifar.documents.conversion_record import ConversionRecord, TensorSpec
from edge_cifar.preprocessing import Range
from edge_cifar.processes import output_capture
from edge_cifar.storage import files, scratch

_CALIBRATED = ("int8", "int8-qat")

# With 18 tf2onnx leaves a transpose more than with 17; nothing newer is used by a classifier.
OPSET = 17

_EXTRA = "convert"
_BATCH_DIMENSION = "batch"
_COUNTER = re.compile(r"__\d+$")


def convert(
    model: Any,
    precision: str,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    metadata: Mapping[str, str],
    path: Path,
    options: Options = AS_THEY_COME,
) -> ConversionRecord:
    """Write an ``.onnx`` file; its batch dimension is open and called ``batch``.

    Args:
        model: a Keras model in float32.
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
    chatter = output_capture.Chatter()
    try:
        with output_capture.captured() as chatter:
            fp32 = _fp32(onnx, model)
            if precision in _CALIBRATED:
                graph = _onnx_quantization.quantized(model, fp32, calibration, options)
            else:
                graph = _PASSES[precision](onnx, fp32)
            _describe(onnx, graph, labels, metadata)
            onnx.checker.check_model(graph, full_check=True)
    except Exception as error:
        # tf2onnx and ONNX Runtime's quantizer raise whatever their passes raise, down to bare Exception.
        raise tf_graph.failed("onnx", precision, error, chatter, model) from error
    with files.atomic_write(path) as partial:
        partial.write_bytes(graph.SerializeToString(deterministic=True))
    shape = (_BATCH_DIMENSION, *model.input_shape[1:])
    return ConversionRecord(
        input=TensorSpec(name=tf_graph.INPUT, shape=shape, range=(0, 255), type="float32"),
        output=TensorSpec(name=tf_graph.OUTPUT, shape=(_BATCH_DIMENSION, len(labels)), type="float32"),
        calibration=calibration.record() if precision in _CALIBRATED else None,
        kept_float=options.keep_float,
        details={"opset": OPSET},
    )


def observed(
    model: Any,
    precision: str,
    *,
    labels: Sequence[str],
    calibration: Calibration,
    path: Path,
    options: Options = AS_THEY_COME,
) -> dict[str, Range] | None:
    """What calibration images gave, and the graph in floats that they were shown to.

    Args:
        model: the Keras model.
        precision: one of the format's, calibrated.
        labels: not needed.
        calibration: the images, and how ranges follow from them: these are the ranges that follow.
        path: where to write the graph.
        options: not needed.
    """
    if precision not in _CALIBRATED:
        return None
    with output_capture.captured():
        fp32 = _fp32(packages.require("onnx", _EXTRA), model)
        ranges = _onnx_quantization.ranges(model, fp32, calibration)
    path.write_bytes(fp32)
    return {name: (float(one.lowest.item()), float(one.highest.item())) for name, one in ranges.items()}


def _fp32(onnx: Any, model: Any) -> bytes:
    """The model as ONNX, its batch normalizations folded into the convolutions before them."""
    return conversion_cache.once(model, "onnx", lambda: _folded(onnx, model))


def _folded(onnx: Any, model: Any) -> bytes:
    tf2onnx = packages.require("tf2onnx", _EXTRA)
    preprocess = packages.require("onnxruntime.quantization.shape_inference", _EXTRA).quant_pre_process
    graph_def = tf_graph.frozen(model, batch=None).graph.as_graph_def()
    graph, _ = tf2onnx.convert.from_graph_def(
        graph_def, input_names=[f"{tf_graph.INPUT}:0"], output_names=[f"{tf_graph.OUTPUT}:0"], opset=OPSET
    )
    _rename(graph, {f"{tf_graph.INPUT}:0": tf_graph.INPUT, f"{tf_graph.OUTPUT}:0": tf_graph.OUTPUT})
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH_DIMENSION
    with scratch.folder("onnx") as folder:
        unfolded, path = folder / "unfolded.onnx", folder / "folded.onnx"
        onnx.save(graph, unfolded)
        # tf2onnx folds the batch norms of plain convolutions only; this folds those of depthwise ones too.
        preprocess(str(unfolded), str(path), skip_symbolic_shape=True)
        folded = onnx.load(path)
    _name_by_place(folded.graph)
    return bytes(folded.SerializeToString(deterministic=True))


def _name_by_place(graph: Any) -> None:
    """Name nodes after their layers and tensors after their nodes.

    tf2onnx numbers them with a counter that runs on through the whole process, so that a second
    conversion would give other bytes.
    """
    nodes = Counter[str]()
    for node in graph.node:
        stem = _COUNTER.sub("", node.name)
        nodes[stem] += 1
        node.name = stem if nodes[stem] == 1 else f"{stem}_{nodes[stem]}"
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for node in graph.node:
        for number, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}:{number}")
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        for number, name in enumerate(node.input):
            if name in constants:
                names.setdefault(name, f"{node.name}/constant_{number}")
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in (*graph.initializer, *graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)
    graph.initializer.sort(key=lambda tensor: tensor.name)
    graph.value_info.sort(key=lambda value: value.name)
    graph.doc_string = ""


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.graph.input, *graph.graph.output):
        value.name = names.get(value.name, value.name)


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
