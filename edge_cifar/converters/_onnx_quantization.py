"""Activations in 8 bits for ONNX Runtime: calibrated, biases corrected, chosen layers left in floats.

``quantize_static`` does the same in one go. Taken apart, one calibration serves many quantizations.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import Calibration, Options, _onnx_weights
from edge_cifar.converters.onnx_start import Start
from edge_cifar.converters.shared import tf_graph
from edge_cifar.storage import scratch

_EXTRA = "convert"
_BATCH = 25


def quantized(start: Start, calibration: Calibration, options: Options) -> Any:
    """An ONNX model with QDQ pairs around what ONNX Runtime computes in 8 bits.

    Args:
        start: the model in float32.
        calibration: the ranges of activations come from these images.
        options: layers to leave in floats.
    """
    quantization = packages.require("onnxruntime.quantization", _EXTRA)
    qdq = packages.require("onnxruntime.quantization.qdq_quantizer", _EXTRA)
    network, layers = _with_shapes(start.content()), start.layers()
    chosen = {
        name
        for name, layer in layers.items()
        if layer not in options.keep_float and (options.only is None or layer in options.only)
    }
    shifts = start.shifts(calibration)
    _correct(network.graph, {name: shift for name, shift in shifts.items() if name in chosen})
    # Unsigned activations with signed weights: the pair that x86 and Arm have dot products for;
    # signed activations take twice the time (MobileNetV2: 0.72 ms against 0.36).
    quantizer = qdq.QDQQuantizer(
        network,
        per_channel=True,
        reduce_range=False,
        weight_qType=quantization.QuantType.QInt8,
        activation_qType=quantization.QuantType.QUInt8,
        # The quantizer changes ranges on its way.
        tensors_range=copy.deepcopy(ranges(start, calibration)),
        nodes_to_quantize=sorted(chosen) if options.only is not None else [],
        nodes_to_exclude=[name for name in layers if name not in chosen],
        op_types_to_quantize=_operators(),
        extra_options={"TensorQuantOverrides": _onnx_weights.overrides(network.graph)},
    )
    quantizer.quantize_model()
    # New nodes were appended at the end, against the order that ONNX asks for.
    quantizer.model.topological_sort()
    return quantizer.model.model


def _operators() -> list[str]:
    """The operators that ONNX Runtime quantizes, in an order that does not change from process to process."""
    registry = packages.require("onnxruntime.quantization.registry", _EXTRA)
    return sorted({*registry.QLinearOpsRegistry, *registry.QDQRegistry})


def ranges(start: Start, calibration: Calibration) -> Any:
    """By the name of a value, ONNX Runtime's ``TensorData`` with ``lowest`` and ``highest``; not to be changed.

    They are those of the network as it is, whichever layers are quantized afterwards.

    Args:
        start: the model in float32.
        calibration: the images, and how ranges follow from them.
    """
    return conversion_cache.once(
        start.source, ("onnx ranges", calibration.digest()), lambda: _ranges(start.content(), calibration)
    )


def _ranges(fp32: bytes, calibration: Calibration) -> Any:
    quantization = packages.require("onnxruntime.quantization", _EXTRA)
    methods = {
        "min-max": quantization.CalibrationMethod.MinMax,
        "percentile": quantization.CalibrationMethod.Percentile,
        "entropy": quantization.CalibrationMethod.Entropy,
    }
    with scratch.folder("onnx") as folder:
        path = folder / "fp32.onnx"
        path.write_bytes(fp32)
        calibrator = quantization.create_calibrator(
            path,
            _operators(),
            augmented_model_path=str(path.with_name("augmented.onnx")),
            calibrate_method=methods[calibration.method],
        )
        # A batch at a time: histograms are made of all activations that were collected at once.
        for batch in calibration.batches(_BATCH):
            calibrator.collect_data(_Reader(batch))
        return calibrator.compute_data()


class _Reader:
    """One batch of images in the form that ONNX Runtime's calibrator asks for."""

    def __init__(self, batch: NDArray[np.float32]) -> None:
        self._batch: NDArray[np.float32] | None = batch

    def get_next(self) -> dict[str, Any] | None:
        batch, self._batch = self._batch, None
        return None if batch is None else {tf_graph.INPUT: batch}


def _with_shapes(fp32: bytes) -> Any:
    onnx = packages.require("onnx", _EXTRA)
    utils = packages.require("onnxruntime.quantization.quant_utils", _EXTRA)
    network = onnx.shape_inference.infer_shapes(onnx.load_from_string(fp32))
    # The mark by which the quantizer knows that shapes were inferred.
    utils.add_infer_metadata(network)
    return network


def _correct(graph: Any, shifts: Mapping[str, NDArray[np.float32]]) -> None:
    """Shift the biases of nodes, each in a constant of its own: several nodes may share one."""
    onnx = packages.require("onnx", _EXTRA)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.name not in shifts:
            continue
        shifted = shifts[node.name]
        if len(node.input) == 3:
            shifted = shifted + onnx.numpy_helper.to_array(constants[node.input[2]])
            del node.input[2]
        name = f"{node.name}/corrected_bias"
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(shifted, np.float32), name))
        node.input.append(name)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
