"""The 8-bit products of an ``.onnx`` file, and which of them overflow on x86 processors without VNNI.

ONNX Runtime multiplies unsigned by signed bytes there as :mod:`edge_cifar.int8_saturation` says. Other pairs of
types (both unsigned, both signed) it multiplies in 16 bits each, which are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.int8_saturation import LARGEST_PAIR, largest_pair
from edge_cifar.readers import damaged
from edge_cifar.readers._onnx_file import Graph, Node, read

# Where operators that multiply take their weights, and the zero point of what they multiply them by.
_PRODUCTS = {
    "Conv": (1, None),
    "MatMul": (1, None),
    "Gemm": (1, None),
    "ConvInteger": (1, 2),
    "MatMulInteger": (1, 2),
    "MatMulIntegerToFloat": (1, 4),
    "DynamicQuantizeMatMul": (1, None),
    "QAttention": (1, 6),
    "QLinearConv": (3, 2),
    "QLinearMatMul": (3, 2),
    "QGemm": (3, 2),
}
_CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
# Without any of them all activations are floats, and 8-bit weights are turned into floats too.
_QUANTIZERS = ("QuantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul")


def overflowing(path: Path) -> dict[str, int]:
    """Products whose sum of two neighbours can exceed 16 bits.

    Args:
        path: an ``.onnx`` file, whoever made it.

    Returns:
        by the node's name, the largest sum of the magnitudes of two weights of one filter and sign.

    Raises:
        BundleError: the file is damaged.
    """
    graph = read(path)
    makers = {name: node for node in graph.nodes for name in node.outputs}
    if not any(node.kind in _QUANTIZERS for node in graph.nodes):
        return {}
    try:
        pairs = {
            node.name or node.outputs[0]: int(largest_pair(filters).max(initial=0))
            for node in graph.nodes
            for filters in _filters(graph, makers, node)
        }
    except (ValueError, IndexError, TypeError) as error:
        raise damaged(path, error) from error
    return {name: pair for name, pair in pairs.items() if pair > LARGEST_PAIR}


def _filters(graph: Graph, makers: dict[str, Node], node: Node) -> Iterator[NDArray[np.int8]]:
    """The signed weights of a product with unsigned activations, ``[filters, weights of one]``; none of other nodes."""
    if node.kind not in _PRODUCTS:
        return
    place, zero_point = _PRODUCTS[node.kind]
    weights = _integers(graph, makers, node.inputs[place])
    if weights is None or weights.dtype != np.int8 or _is_signed(graph, makers, node, zero_point):
        return
    # The first axis of a kernel, the last of a matrix.
    first = node.kind in _CONVOLUTIONS or bool(node.attributes.get("transB"))
    if weights.ndim:
        yield np.moveaxis(weights, 0 if first else -1, 0).reshape(weights.shape[0 if first else -1], -1)


def _integers(graph: Graph, makers: dict[str, Node], name: str) -> NDArray[Any] | None:
    """The constant that a product multiplies by, as it is stored or as its quantization is folded into one."""
    if name in graph.constants:
        return graph.constants[name]
    maker = makers.get(name)
    if maker is None or maker.kind != "DequantizeLinear":
        return None
    stored = maker.inputs[0]
    quantizer = makers.get(stored)
    if quantizer is None or quantizer.kind != "QuantizeLinear" or len(quantizer.inputs) < 3:
        return graph.constants.get(stored)
    values, scale, zero_point = (graph.constants.get(part) for part in quantizer.inputs[:3])
    if values is None or scale is None or zero_point is None or zero_point.dtype not in (np.int8, np.uint8):
        return None
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[quantizer.attributes.get("axis", 1)] = scale.size
    limits = np.iinfo(zero_point.dtype)
    # A scale of 0 is left for the runtime to report.
    with np.errstate(all="ignore"):
        integers = np.rint(values / scale.reshape(shape)) + zero_point.astype(np.float32).reshape(shape)
        return np.asarray(integers.clip(limits.min, limits.max).astype(zero_point.dtype))


def _is_signed(graph: Graph, makers: dict[str, Node], node: Node, zero_point: int | None) -> bool:
    """Whether the file says that a product's activations are signed bytes."""
    inputs = node.inputs
    if zero_point is None:
        maker = makers.get(inputs[0])
        if maker is None or maker.kind != "DequantizeLinear":
            return False
        inputs, zero_point = maker.inputs, 2
    constant = graph.constants.get(inputs[zero_point]) if zero_point < len(inputs) else None
    return constant is not None and constant.dtype == np.int8
