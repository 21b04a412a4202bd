"""Ways to break a TFLite file that leave it loadable, or nearly so."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Edit = Callable[[Any], None]
Change = Callable[[np.ndarray], np.ndarray]

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}
_NO_ACTIVATION = 0
_VALID_PADDING = 1


def apply(edit: Edit, path: Path) -> None:
    """Edit the model of a file in place."""
    utils = importlib.import_module("tensorflow.lite.tools.flatbuffer_utils")
    model = utils.convert_bytearray_to_object(bytearray(path.read_bytes()))
    edit(model)
    path.write_bytes(bytes(utils.convert_object_to_bytearray(model)))


def _operators(model: Any, kind: str) -> list[Any]:
    schema = importlib.import_module("tensorflow.lite.python.schema_py_generated")
    code = getattr(schema.BuiltinOperator, kind)
    codes = [max(entry.builtinCode, entry.deprecatedBuiltinCode) for entry in model.operatorCodes]
    found = [operator for operator in model.subgraphs[0].operators if codes[operator.opcodeIndex] == code]
    assert found, f"the model has no {kind}"
    return found


def _constant(model: Any, operator: Any, place: int, change: Change) -> None:
    tensor = model.subgraphs[0].tensors[_stored(model, operator.inputs[place])]
    buffer = model.buffers[tensor.buffer]
    values = np.frombuffer(bytes(buffer.data), _DTYPES[tensor.type]).reshape(tensor.shape).copy()
    buffer.data = np.frombuffer(np.ascontiguousarray(change(values)).tobytes(), np.uint8)


def _stored(model: Any, number: int) -> int:
    """The tensor that a constant stands in: behind a DEQUANTIZE in half precision."""
    for operator in model.subgraphs[0].operators:
        inside = model.subgraphs[0].tensors[operator.inputs[0]].type
        if number in operator.outputs and len(operator.inputs) == 1 and inside == 1:
            return int(operator.inputs[0])
    return number


def _weights(kind: str, number: int, place: int, change: Change) -> Edit:
    return lambda model: _constant(model, _operators(model, kind)[number], place, change)


def _option(kind: str, number: int, **values: int) -> Edit:
    def edit(model: Any) -> None:
        for name, value in values.items():
            assert hasattr(_operators(model, kind)[number].builtinOptions, name)
            setattr(_operators(model, kind)[number].builtinOptions, name, value)

    return edit


def _scale(kind: str, factor: float) -> Edit:
    """Another scale for the output of an operator; the type is the same, so nothing else complains."""

    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[_operators(model, kind)[0].outputs[0]]
        tensor.quantization.scale = [scale * factor for scale in tensor.quantization.scale]

    return edit


def _constant_scale(number: int, place: int, factors: Callable[[int], float]) -> Edit:
    """Other scales for a constant of a convolution, channel by channel."""

    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[_operators(model, "CONV_2D")[number].inputs[place]]
        scales = tensor.quantization.scale
        tensor.quantization.scale = [scale * factors(channel) for channel, scale in enumerate(scales)]

    return edit


def _head(model: Any) -> None:
    operator = _operators(model, "FULLY_CONNECTED")[0]
    for place in (1, 2):
        _constant(model, operator, place, _swap_two)
    scales = model.subgraphs[0].tensors[operator.inputs[1]].quantization
    if scales is not None and scales.scale is not None and len(scales.scale) > 1:
        for place in (1, 2):
            quantization = model.subgraphs[0].tensors[operator.inputs[place]].quantization
            quantization.scale = list(_swap_two(np.array(quantization.scale)))


def _swap_two(classes: np.ndarray) -> np.ndarray:
    order = np.arange(len(classes))
    order[[2, 5]] = order[[5, 2]]
    return classes[order]


def _one_weight(weights: np.ndarray) -> np.ndarray:
    weights.flat[weights.size // 2] += 2.0
    return weights


def _slightly(weights: np.ndarray) -> np.ndarray:
    """One weight by as little as no answer shows: two parts in a hundred, or a step."""
    place = np.abs(weights.astype(np.float64)).argmax()
    weights.flat[place] *= 0.98
    return weights


def _two_steps(weights: np.ndarray) -> np.ndarray:
    weights.flat[weights.size // 2] += -2 if weights.flat[weights.size // 2] > 0 else 2
    return weights


def _not_a_number(weights: np.ndarray) -> np.ndarray:
    weights.flat[0] = np.nan
    return weights


def _labels(model: Any) -> None:
    (entry,) = [entry for entry in model.metadata if entry.name in ("labels", b"labels")]
    buffer = model.buffers[entry.buffer]
    text = json.dumps(json.loads(bytes(buffer.data))[::-1])
    buffer.data = np.frombuffer(text.encode(), np.uint8)


FLOAT: dict[str, Edit] = {
    "one weight": _weights("DEPTHWISE_CONV_2D", 0, 1, _one_weight),
    "axes swapped": _weights("CONV_2D", 0, 1, lambda weights: weights.swapaxes(1, 2)),
    "kernel mirrored": _weights("CONV_2D", 1, 1, lambda weights: weights[:, ::-1]),
    "filters reordered": _weights("CONV_2D", 0, 1, lambda weights: weights[::-1]),
    "channels swapped": _weights("CONV_2D", 0, 1, lambda weights: weights[..., ::-1]),
    "classes swapped": _head,
    "bias lost": _weights("CONV_2D", 1, 2, np.zeros_like),
    "activation dropped": _option("CONV_2D", 0, fusedActivationFunction=_NO_ACTIVATION),
    "padding": _option("CONV_2D", 0, padding=_VALID_PADDING),
    "stride": _option("CONV_2D", 0, strideH=1, strideW=1),
    "rescaling": _weights("MUL", 0, 1, lambda scale: scale * np.float32(1.1)),
    "not a number": _weights("CONV_2D", 0, 1, _not_a_number),
    "labels reordered": _labels,
}

QUANTIZED: dict[str, Edit] = {
    "axes swapped": FLOAT["axes swapped"],
    "channels swapped": FLOAT["channels swapped"],
    "classes swapped": _head,
    "weights of another layout": _weights("CONV_2D", 1, 1, lambda weights: weights[::-1]),
    "activation scale": _scale("DEPTHWISE_CONV_2D", 6.0),
    "weight scales, every second": _constant_scale(1, 1, lambda channel: 8 ** (channel % 2)),
    "weight scales": _constant_scale(1, 1, lambda channel: 0.3),
    "bias scale": _constant_scale(1, 2, lambda channel: 1.5),
    "bias lost": _weights("CONV_2D", 1, 2, np.zeros_like),
    "a weight by two steps": _weights("CONV_2D", 1, 1, _two_steps),
    "labels reordered": _labels,
}

HALF: dict[str, Edit] = {
    "a weight, slightly": _weights("CONV_2D", 1, 1, _slightly),
    "a bias, slightly": _weights("CONV_2D", 0, 2, _slightly),
    "bias lost": FLOAT["bias lost"],
    "stride": FLOAT["stride"],
}

DYNAMIC: dict[str, Edit] = {
    "weight scales": QUANTIZED["weight scales"],
    "a weight by two steps": QUANTIZED["a weight by two steps"],
    "a bias, slightly": HALF["a bias, slightly"],
}

WIDE: dict[str, Edit] = {
    "weight scales": QUANTIZED["weight scales"],
    "bias lost": QUANTIZED["bias lost"],
    "a weight by two steps": QUANTIZED["a weight by two steps"],
}
