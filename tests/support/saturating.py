"""An ``.onnx`` file's answers by 8-bit arithmetic in NumPy, with or without sums that saturate at 16 bits.

As x86 processors without VNNI compute: two neighbouring products of an unsigned and a signed byte are added in 16
bits. Which weights of a filter are neighbours depends on how a runtime packs them, so either order can be had.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

Order = Literal["channels first", "channels last"]


def answers(path: Path, images: np.ndarray, order: Order, *, saturating: bool) -> np.ndarray:
    """Probabilities ``[N, classes]``.

    Args:
        path: a file with QDQ pairs around its products, or with ``ConvInteger`` and ``MatMulInteger``.
        images: float32 ``[N, H, W, 3]``.
        order: in which a filter's weights follow each other.
        saturating: whether sums of two products are cut off at 16 bits.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class ConvInteger(OpRun):  # type: ignore[misc]
        def _run(self, x: Any, w: Any, zero: Any = 0, *_: Any, **attributes: Any) -> tuple[np.ndarray]:
            return (_convolution(x, w, zero, order, saturating, **attributes),)

    class MatMulInteger(OpRun):  # type: ignore[misc]
        def _run(self, x: Any, w: Any, zero: Any = 0, *_: Any) -> tuple[np.ndarray]:
            return (_products(x, w.T, saturating) - np.int32(zero) * w.sum(axis=0, dtype=np.int32),)

    # The reference evaluator knows quantization only as it is since opset 19.
    model = onnx.version_converter.convert_version(onnx.load(path), 19)
    _spell_out(model.graph)
    evaluator = ReferenceEvaluator(model, new_ops=[ConvInteger, MatMulInteger])
    return np.asarray(evaluator.run(None, {model.graph.input[0].name: images})[0])


def _products(left: np.ndarray, filters: np.ndarray, saturating: bool) -> np.ndarray:
    """``[..., K]`` of unsigned bytes by ``[filters, K]`` of signed bytes, int32."""
    odd = filters.shape[1] % 2
    left = np.pad(left, [(0, 0)] * (left.ndim - 1) + [(0, odd)]).astype(np.int32)
    filters = np.pad(filters, [(0, 0), (0, odd)]).astype(np.int32)
    total = np.zeros((*left.shape[:-1], len(filters)), np.int32)
    for start in range(0, filters.shape[1], 2):
        pair = left[..., start : start + 2] @ filters[:, start : start + 2].T
        total += pair.clip(-(1 << 15), (1 << 15) - 1) if saturating else pair
    return total


def _convolution(
    x: np.ndarray,
    w: np.ndarray,
    zero: Any,
    order: Order,
    saturating: bool,
    *,
    pads: Any = None,
    strides: Any = None,
    group: int = 1,
    **_: Any,
) -> np.ndarray:
    (top, left, bottom, right), (down, along) = pads or (0, 0, 0, 0), strides or (1, 1)
    x = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], constant_values=int(zero))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::down, ::along]
    # [N, channels, H, W, height, width] -> [N, H, W, ...]
    axes = (0, 2, 3, 1, 4, 5) if order == "channels first" else (0, 2, 3, 4, 5, 1)
    parts = []
    for inputs, filters in zip(np.split(windows, group, axis=1), np.split(w, group), strict=True):
        filters = filters if order == "channels first" else filters.transpose(0, 2, 3, 1)
        patches = inputs.transpose(axes)
        flat = patches.reshape(*patches.shape[:3], -1), filters.reshape(len(filters), -1)
        parts.append(_products(*flat, saturating) - np.int32(zero) * flat[1].sum(axis=1, dtype=np.int32))
    return np.concatenate(parts, axis=-1).transpose(0, 3, 1, 2)


def _spell_out(graph: Any) -> None:
    """Write each product between QDQ pairs as the product of integers that a runtime makes of it."""
    from onnx import helper, numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    stored = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    nodes = []
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or not all(name in stored for name in node.input[:2]):
            nodes.append(node)
            continue
        x, w = (stored[name] for name in node.input[:2])
        convolution = node.op_type == "Conv"
        step = numpy_helper.to_array(constants[x.input[1]]) * numpy_helper.to_array(constants[w.input[1]])
        integers, floats, scaled, scale = (f"{node.output[0]} {part}" for part in ("sum", "float", "scaled", "scale"))
        shape = (-1, 1, 1) if convolution else (-1,)
        graph.initializer.append(numpy_helper.from_array(np.asarray(step, np.float32).reshape(shape), scale))
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute} if convolution else {}
        inputs = [x.input[0], w.input[0], x.input[2]]
        nodes.append(
            helper.make_node("ConvInteger" if convolution else "MatMulInteger", inputs, [integers], **attributes)
        )
        nodes.append(helper.make_node("Cast", [integers], [floats], to=1))
        has_bias = len(node.input) == 3
        nodes.append(helper.make_node("Mul", [floats, scale], [scaled if has_bias else node.output[0]]))
        if has_bias:
            bias = node.input[2]
            if convolution:
                nodes.append(helper.make_node("Reshape", [bias, f"{scale} shape"], [f"{bias} shaped"]))
                graph.initializer.append(numpy_helper.from_array(np.array([1, -1, 1, 1], np.int64), f"{scale} shape"))
                bias = f"{bias} shaped"
            nodes.append(helper.make_node("Add", [scaled, bias], [node.output[0]]))
    del graph.node[:]
    graph.node.extend(nodes)
