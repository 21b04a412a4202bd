"""The weights of a ``.tflite`` file, as the numbers that they stand for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from edge_cifar.contents import Numbers, Weight
from edge_cifar.contents._tflite_file import Graph, Operator, Tensor, read
from edge_cifar.runtimes._pixels import Quantization, stored_type

_PLACES = {"kernel": 1, "bias": 2}
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_READERS = (*_CONVOLUTIONS, "FULLY_CONNECTED", "ADD", "MUL", "SUB")


def weights(path: Path) -> dict[str, Weight]:
    """Every constant that an operator computes with, by the operator's kind, its number among those, and its place.

    Names are not used: the converter makes them anew for each precision; the order of operators is the same.

    Raises:
        BundleError: the file is damaged.
    """
    graph = read(path)
    halves = {operator.outputs[0]: operator.inputs[0] for operator in graph.operators if operator.kind == "DEQUANTIZE"}
    counts: Counter[str] = Counter()
    found: dict[str, Weight] = {}
    for operator in graph.operators:
        if operator.kind not in _READERS:
            continue
        counts[operator.kind] += 1
        stem = f"{operator.kind} {counts[operator.kind]}"
        for place, number in enumerate(operator.inputs):
            tensor = graph.tensors[halves.get(number, number)] if number >= 0 else None
            if tensor is not None and tensor.constant is not None:
                found[f"{stem} input {place}"] = _weight(graph, operator, stem, place, tensor)
    return found


def _weight(graph: Graph, operator: Operator, stem: str, place: int, tensor: Tensor) -> Weight:
    values, step = _real(tensor)
    if operator.kind not in _CONVOLUTIONS:
        return Weight(values=values, step=step)
    if place == _PLACES["bias"]:
        kernel = f"{stem} input {_PLACES['kernel']}"
        return Weight(values=values, step=step, shifts=kernel, source=_quantization(graph.tensors[operator.inputs[0]]))
    # [1, H, W, C] of a depthwise kernel or [O, H, W, I] -> [O, I, H * W]
    order = (3, 0, 1, 2) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    shape = [values.shape[axis] for axis in order]
    flat = values.transpose(order).reshape(shape[0], shape[1], -1)
    steps = None if step is None else np.broadcast_to(step, values.shape).transpose(order).reshape(flat.shape)
    return Weight(values=flat, step=steps)


def _real(tensor: Tensor) -> tuple[Numbers, Numbers | None]:
    assert tensor.constant is not None
    if tensor.constant.dtype.kind == "f" or not len(tensor.scales):
        return tensor.constant, None
    step = tensor.along_axis(tensor.scales)
    # 32-bit biases need more digits than a float32 holds.
    values = (tensor.constant.astype(np.float64) - tensor.along_axis(tensor.zero_points)) * step
    return values, step


def _quantization(tensor: Tensor) -> Quantization | None:
    if len(tensor.scales) != 1 or tensor.dtype is None:
        return None
    return stored_type(tensor.dtype, float(tensor.scales[0]), int(tensor.zero_points[0]))
