"""Scales for 8-bit weights with which no processor's multiplication overflows.

Signed weights beside unsigned activations are what x86 and Arm have dot products for. x86 processors without VNNI add
two products in 16 bits (:mod:`edge_cifar.int8_saturation`), which weights of the full 8 bits overflow: resnet8
lost 28 points there. Seven bits for all would be safe too, but a filter with one large weight can keep more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.int8_saturation import LARGEST_PAIR, largest_pair

_EXTRA = "convert"
# Symmetric, so -128 is not used.
_LARGEST = 127
# Two numbers whose sum is below 128 round to 128 together at most; the rest is room for dividing in float32.
_PAIR = LARGEST_PAIR - 1e-3


def steps(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scale of each filter's integers, the smallest with which two products cannot overflow.

    Args:
        kernel: float ``[..., channels]``, the last axis that of the output channels.

    Returns:
        float32 ``[channels]``; 0 for a filter of zeros.
    """
    filters = kernel.reshape(-1, kernel.shape[-1]).T
    finest = np.abs(filters).max(axis=1) / _LARGEST
    return np.asarray(np.maximum(finest, largest_pair(filters) / _PAIR), np.float32)


def overrides(graph: Any) -> dict[str, list[dict[str, Any]]]:
    """The scales of a graph's weights, in the form that ONNX Runtime's quantizers take as ``TensorQuantOverrides``."""
    found = {}
    for name, axis, weights in _weights(graph):
        scales = _usable(steps(np.moveaxis(weights, axis, -1)))
        found[name] = [{"axis": axis, "scale": scale, "zero_point": 0} for scale in scales]
    return found


def rescale(graph: Any, exact: Any) -> None:
    """Give the weights of a graph that ONNX Runtime's ``quantize_dynamic`` made a scale for each filter.

    It gives all filters of a ``ConvInteger`` one. But the operator knows no scale: its products are multiplied behind
    it, where a scale for each filter does as well.

    Args:
        graph: changed.
        exact: the graph that was quantized.
    """
    numpy_helper = packages.require("onnx.numpy_helper", _EXTRA)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for name, axis, weights in _weights(exact):
        stored, scale = (constants.get(f"{name}{part}") for part in ("_quantized", "_scale"))
        if stored is None or scale is None:
            continue
        filters = np.moveaxis(weights, axis, -1)
        scales = _usable(steps(filters))
        integers = np.rint(filters / scales).astype(np.int8)
        if weights.ndim > 2:
            integers = np.moveaxis(integers, -1, 0)
        # Products have their filters before their places.
        scales = scales.reshape(-1, *[1] * (weights.ndim - 2))
        stored.CopyFrom(numpy_helper.from_array(integers, stored.name))
        scale.CopyFrom(numpy_helper.from_array(scales, scale.name))


def _weights(graph: Any) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """Constants that a graph multiplies by: the name, the axis along which the filters lie, the numbers."""
    numpy_helper = packages.require("onnx.numpy_helper", _EXTRA)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm") and node.input[1] in constants:
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axis = 0 if node.op_type == "Conv" or transposed else -1
            yield node.input[1], axis, numpy_helper.to_array(constants[node.input[1]])


def _usable(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """A filter of zeros stays one with any scale but 0."""
    return np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)
