"""Systematic changes of a TFLite file: every place broken in each of its ways, and changes that mean nothing."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from support.study_onnx import largest

Edit = Callable[[Any], None]
Change = Callable[[np.ndarray], np.ndarray]

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64, 9: np.int8}
_INT8, _INT32, _INT64 = 9, 2, 4
_NO_ACTIVATION, _RELU, _RELU6 = 0, 1, 3


def _schema() -> Any:
    return importlib.import_module("tensorflow.lite.python.schema_py_generated")


def _data(model: Any, tensor: Any) -> Any:
    data = model.buffers[tensor.buffer].data
    return data if data is not None and len(data) else None


def _stored(number: int, change: Change) -> Edit:
    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[number]
        values = np.frombuffer(bytes(_data(model, tensor)), _DTYPES[tensor.type]).reshape(tensor.shape).copy()
        changed = np.asarray(change(values)).astype(values.dtype)
        model.buffers[tensor.buffer].data = np.frombuffer(np.ascontiguousarray(changed).tobytes(), np.uint8)

    return edit


def _scales(number: int, factors: Callable[[int], float]) -> Edit:
    def edit(model: Any) -> None:
        quantization = model.subgraphs[0].tensors[number].quantization
        quantization.scale = [scale * factors(place) for place, scale in enumerate(quantization.scale)]

    return edit


def _zero(number: int, step: int) -> Edit:
    def edit(model: Any) -> None:
        quantization = model.subgraphs[0].tensors[number].quantization
        quantization.zeroPoint = [int(quantization.zeroPoint[0]) + step]

    return edit


def mutants(model: Any) -> Iterator[tuple[str, Edit]]:
    """Every constant, scale, zero point, operator and link of a file, changed one at a time."""
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        quantization = tensor.quantization
        scales = [] if quantization is None or quantization.scale is None else quantization.scale
        constant = _data(model, tensor) is not None
        if len(scales) and not constant:
            for factor in (0.5, 0.9, 1.1, 2.0):
                yield f"scale of {number} x {factor}", _scales(number, lambda _, factor=factor: factor)
            if tensor.type == _INT8:
                for step in (-5, -1, 1, 5):
                    if -128 <= int(quantization.zeroPoint[0]) + step <= 127:
                        yield f"zero point of {number} {step:+}", _zero(number, step)
        elif len(scales):
            for factor in (0.9, 1.1):
                yield f"scales of {number} x {factor}", _scales(number, lambda _, factor=factor: factor)
            yield f"first scale of {number} x 1.3", _scales(number, lambda place: 1.0 if place else 1.3)
            if tensor.type == _INT8:
                yield f"largest of {number} off", _stored(number, largest(lambda value: value - 3 * np.sign(value)))
            else:
                yield f"largest of {number} x 0.8", _stored(number, largest(lambda value: int(value * 0.8)))
                yield f"{number} lost", _stored(number, np.zeros_like)
        elif constant and tensor.type in (0, 1):
            yield f"{number} x 1.05", _stored(number, lambda values: values * 1.05)
            yield f"largest of {number} x 0.9", _stored(number, largest(lambda value: value * 0.9))
    yield from _operators(model)


def _operators(model: Any) -> Iterator[tuple[str, Edit]]:
    schema = _schema()
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    codes = [kinds[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    for number, operator in enumerate(model.subgraphs[0].operators):
        kind, options = codes[operator.opcodeIndex], operator.builtinOptions
        joined = getattr(options, "fusedActivationFunction", None)
        for other in (_NO_ACTIVATION, _RELU, _RELU6) if joined is not None else ():
            if other != joined:
                yield f"activation {other} at {number}", _option(number, "fusedActivationFunction", other)
        if kind == "SOFTMAX":
            for beta in (0.8, 1.2, 2.0):
                yield f"beta {beta}", _option(number, "beta", beta)
        if kind == "MEAN":
            yield f"sum at {number}", _kind(number, schema.BuiltinOperator.SUM)
            yield f"maximum at {number}", _kind(number, schema.BuiltinOperator.REDUCE_MAX)
        if kind == "ADD" and len({*operator.inputs}) == 2:
            yield f"one value twice at {number}", _twice(number)


def _option(number: int, name: str, value: float) -> Edit:
    return lambda model: setattr(model.subgraphs[0].operators[number].builtinOptions, name, value)


def _kind(number: int, code: int) -> Edit:
    def edit(model: Any) -> None:
        entry = copy.deepcopy(model.operatorCodes[model.subgraphs[0].operators[number].opcodeIndex])
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        model.operatorCodes.append(entry)
        model.subgraphs[0].operators[number].opcodeIndex = len(model.operatorCodes) - 1

    return edit


def _twice(number: int) -> Edit:
    def edit(model: Any) -> None:
        operator = model.subgraphs[0].operators[number]
        operator.inputs = [operator.inputs[0], operator.inputs[0]]

    return edit


def _renamed(model: Any) -> None:
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = f"t{number}".encode()


def _tensors_reversed(model: Any) -> None:
    graph = model.subgraphs[0]
    last = len(graph.tensors) - 1
    graph.tensors.reverse()

    def moved(numbers: Any) -> list[int]:
        return [last - int(number) if number >= 0 else int(number) for number in numbers]

    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for operator in graph.operators:
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
    for signature in model.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = last - entry.tensorIndex


def _buffers_moved(model: Any) -> None:
    """All buffers but the first, which is the empty one, in the reverse order."""
    last = len(model.buffers)
    model.buffers[1:] = model.buffers[:0:-1]
    for holder in (*model.subgraphs[0].tensors, *(model.metadata or [])):
        holder.buffer = last - holder.buffer if holder.buffer else 0


def _codes_reversed(model: Any) -> None:
    last = len(model.operatorCodes) - 1
    model.operatorCodes.reverse()
    for operator in model.subgraphs[0].operators:
        operator.opcodeIndex = last - operator.opcodeIndex


def _reordered(model: Any) -> None:
    """Operators in another order in which they can be computed."""
    graph = model.subgraphs[0]
    made = {int(number) for operator in graph.operators for number in operator.outputs}
    waiting, order, known = list(graph.operators), [], set[int]()
    while waiting:
        operator = next(
            one for one in reversed(waiting) if all(int(n) not in made or int(n) in known for n in one.inputs)
        )
        waiting.remove(operator)
        order.append(operator)
        known |= {int(number) for number in operator.outputs}
    graph.operators = order


def _swapped(model: Any) -> None:
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for operator in model.subgraphs[0].operators:
        if codes[operator.opcodeIndex] == _schema().BuiltinOperator.ADD:
            operator.inputs = [int(number) for number in operator.inputs][::-1]


def _dead(model: Any) -> None:
    schema = _schema()
    tensor, buffer = schema.TensorT(), schema.BufferT()
    buffer.data = np.frombuffer(np.ones(4, np.float32).tobytes(), np.uint8)
    tensor.name, tensor.shape, tensor.type, tensor.buffer = b"nobody reads this", [4], 0, len(model.buffers)
    model.buffers.append(buffer)
    model.subgraphs[0].tensors.append(tensor)


def _described(model: Any) -> None:
    model.description = b"somebody's"
    model.subgraphs[0].name = b"another"


def _no_signatures(model: Any) -> None:
    model.signatureDefs = []


def _no_observed(model: Any) -> None:
    """Without what calibration saw, which nothing computes with."""
    for tensor in model.subgraphs[0].tensors:
        if tensor.quantization is not None:
            tensor.quantization.min = tensor.quantization.max = None


HARMLESS: dict[str, Edit] = {
    "written again": lambda model: None,
    "tensors renamed": _renamed,
    "tensors in another order": _tensors_reversed,
    "buffers in another order": _buffers_moved,
    "operators' codes in another order": _codes_reversed,
    "operators in another order": _reordered,
    "operands swapped": _swapped,
    "a constant that nothing reads": _dead,
    "described otherwise": _described,
    "no signatures": _no_signatures,
    "no observed ranges": _no_observed,
}
