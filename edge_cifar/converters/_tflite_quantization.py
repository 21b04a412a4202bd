"""Activations in integers for TFLite: calibrated, biases corrected, chosen layers left in floats.

``TFLiteConverter.convert`` does the same in one go. Taken apart into TensorFlow's own steps, as its
quantization debugger does, one calibration serves many quantizations, and layers can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import Calibration, Options, _for_integers, _tflite_objects
from edge_cifar.converters.shared import bias_correction, layer_matching, tf_graph
from edge_cifar.preprocessing import Range

_EXTRA = "train"
# Operators with weights; where each holds its outputs among the axes of its weights.
_CONVOLUTION, _DEPTHWISE, _DENSE = 3, 4, 9
_NO_TENSOR = -1
_WIDE = "int16x8"


def quantized(
    tensorflow: Any,
    model: Any,
    precision: str,
    calibration: Calibration,
    options: Options,
    fp32: Callable[[Any], bytes],
) -> bytes:
    """A model with activations in 8 or 16 bits.

    Args:
        tensorflow: the namespace.
        model: a Keras model.
        precision: ``int8`` or ``int16x8``.
        calibration: the ranges of activations come from these images.
        options: layers to leave in floats.
        fp32: converts a Keras model as it is.
    """
    if precision == _WIDE:
        return _sixteen_bits(tensorflow, model, calibration, options, fp32)[0]
    quantize = packages.require("tensorflow.lite.python.convert", _EXTRA).mlir_quantize
    start = _prepared(model)
    network = _corrected(_calibrated(model, calibration, fp32), start, _shifts(model, calibration), options)
    pixels = tensorflow.uint8 if options.only is None else tensorflow.float32
    return bytes(
        quantize(
            network, input_data_type=pixels, output_data_type=pixels, denylisted_nodes=_denied(network, start, options)
        )
    )


def calibrated(
    tensorflow: Any,
    model: Any,
    precision: str,
    calibration: Calibration,
    options: Options,
    fp32: Callable[[Any], bytes],
) -> bytes:
    """The flatbuffer in floats that :func:`quantized` starts from, with what calibration images gave in it.

    Args:
        tensorflow, model, precision, calibration, options, fp32: as there.
    """
    if precision == _WIDE:
        return _sixteen_bits(tensorflow, model, calibration, options, fp32)[1]
    return _calibrated(model, calibration, fp32)


def _calibrated(model: Any, calibration: Calibration, fp32: Callable[[Any], bytes]) -> bytes:
    # The ranges are those of the network as it is, whichever layers are quantized afterwards.
    return conversion_cache.once(
        model,
        ("tflite ranges", calibration.digest()),
        lambda: bytes(_calibrator(_to_quantize(model, fp32)).calibrate(_samples(calibration))),
    )


def ranges(calibrated: bytes) -> dict[str, Range]:
    """What a flatbuffer holds of its values, by their numbers and names; of the image by :data:`tf_graph.INPUT`."""
    (graph,) = _tflite_objects.parsed(calibrated).subgraphs
    found = {
        f"{number} {tensor.name.decode()}": (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for number, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None and tensor.quantization.min is not None and len(tensor.quantization.min)
    }
    image = f"{graph.inputs[0]} {graph.tensors[graph.inputs[0]].name.decode()}"
    return {**found, tf_graph.INPUT: found[image]}


def _prepared(model: Any) -> Any:
    return conversion_cache.once(model, "tflite prepared", lambda: _for_integers.prepared(model))


def _to_quantize(model: Any, fp32: Callable[[Any], bytes]) -> bytes:
    return conversion_cache.once(model, "tflite to quantize", lambda: fp32(_prepared(model)))


def _shifts(model: Any, calibration: Calibration) -> dict[str, NDArray[np.float32]]:
    return conversion_cache.once(
        model, ("tflite shifts", calibration.digest()), lambda: bias_correction.shifts(_prepared(model), calibration)
    )


def _sixteen_bits(
    tensorflow: Any, model: Any, calibration: Calibration, options: Options, fp32: Callable[[Any], bytes]
) -> tuple[bytes, bytes]:
    """A model in 16 bits, and in floats with what calibration images gave: here the biases are corrected first."""

    def make() -> tuple[bytes, bytes]:
        network = _corrected(_to_quantize(model, fp32), _prepared(model), _shifts(model, calibration), options)
        calibrator = _calibrator(network)
        # Only the older of TensorFlow's quantizers writes 16-bit activations.
        quantized = calibrator.calibrate_and_quantize(
            _samples(calibration), tensorflow.float32, tensorflow.float32, False, tensorflow.int16, tensorflow.int64
        )
        # It remembers what it was shown, and is shown no more.
        return bytes(quantized), bytes(calibrator.calibrate(lambda: iter(())))

    return conversion_cache.once(model, (_WIDE, calibration.digest(), options), make)


def _calibrator(network: bytes) -> Any:
    calibrator = packages.require("tensorflow.lite.python.optimize.calibrator", _EXTRA)
    return calibrator.Calibrator(calibrator.add_intermediate_tensors(network))


def _samples(calibration: Calibration) -> Callable[[], Iterator[list[NDArray[np.float32]]]]:
    return lambda: ([image] for image in calibration.batches(1))


@dataclass(frozen=True)
class _Operator:
    """An operator of a parsed flatbuffer that has weights."""

    parsed: Any
    filters: NDArray[np.float32]


def _operators(model: Any) -> list[tuple[str, Any, int]]:
    """All operators with names and kinds; the name is that of the first output, as TensorFlow tells them apart."""
    (graph,) = model.subgraphs
    return [
        (
            graph.tensors[operator.outputs[0]].name.decode(),
            operator,
            model.operatorCodes[operator.opcodeIndex].builtinCode,
        )
        for operator in graph.operators
    ]


def _weighted(model: Any) -> dict[str, _Operator]:
    found = {}
    for name, operator, kind in _operators(model):
        if kind in (_CONVOLUTION, _DEPTHWISE, _DENSE):
            tensor = model.subgraphs[0].tensors[operator.inputs[1]]
            data = model.buffers[tensor.buffer].data
            if data is not None:
                weights = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
                outputs = -1 if kind == _DEPTHWISE else 0
                flat = np.moveaxis(weights, outputs, 0).reshape(weights.shape[outputs], -1)
                found[name] = _Operator(operator, flat)
    return found


def _matched(model: Any, start: Any) -> dict[str, str]:
    return layer_matching.match(start, {name: operator.filters for name, operator in _weighted(model).items()})


def _corrected(network: bytes, start: Any, shifts: Mapping[str, NDArray[np.float32]], options: Options) -> bytes:
    """The network with the biases of the layers that will be rounded shifted."""
    model = _tflite_objects.parsed(network)
    graph = model.subgraphs[0]
    operators = _weighted(model)
    for name, layer in _matched(model, start).items():
        if (
            layer not in shifts
            or layer in options.keep_float
            or (options.only is not None and layer not in options.only)
        ):
            continue
        # A copy, because what was parsed may be a view into the file.
        inputs = np.array(operators[name].parsed.inputs)
        shifted = shifts[layer]
        if inputs[2] != _NO_TENSOR:
            bias = model.buffers[graph.tensors[inputs[2]].buffer].data
            shifted = shifted + np.frombuffer(bytes(bias), np.float32)
        # Equal biases of several operators may lie in one buffer.
        inputs[2] = _tflite_objects.add_constant(model, f"{name}/bias", shifted)
        operators[name].parsed.inputs = inputs
    return _tflite_objects.packed(model)


def _denied(network: bytes, start: Any, options: Options) -> list[str] | None:
    """Names of the operators to leave in floats."""
    model = _tflite_objects.parsed(network)
    layers = _matched(model, start)
    if options.only is not None:
        return [name for name, _, _ in _operators(model) if layers.get(name) not in options.only]
    return [name for name, layer in layers.items() if layer in options.keep_float] or None
