"""ONNX files as ``torch.onnx.export`` writes them of a small convolutional network, for images of five brightnesses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.own_models import LEVELS, grey_images

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 12
CLASSES = len(LEVELS)


def standardized(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images as torchvision's transforms give them to a network: float32 ``[N, 3, H, W]``."""
    scaled = (images / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def answers(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime gives for images as the file takes them, one at a time."""
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX files")
    session = runtime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[np.newaxis]})[0] for image in images])


def classifier(
    path: Path,
    *,
    batch: int | str = 1,
    last: Sequence[str] = (),
    normalizes: bool = False,
    flatten: str = "Flatten",
    named: bool = True,
    second_output: bool = False,
    opset: int = 18,
) -> Path:
    """A small network in planes, its batch norms folded, its last layer fitted to :func:`grey_images` by least squares.

    Args:
        path: where to write.
        batch: images at a time; a text for any number.
        last: operators behind the logits.
        normalizes: whether it takes pixels in 0..255 and standardizes them itself.
        flatten: how it makes a vector of planes: ``Flatten``, ``Reshape``, or ``Concat``, which has the batch of one
            image built in.
        named: whether its nodes have names.
        second_output: whether it gives its features, too.
        opset: that the file asks for.
    """
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    helper, constant = onnx.helper, onnx.numpy_helper.from_array
    generator = np.random.default_rng(5)

    def kernel(*shape: int) -> Any:
        return generator.normal(0, 1.4 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)

    weights = {
        "stem.weight": kernel(8, 3, 3, 3),
        "stem.bias": generator.normal(0, 0.1, 8).astype(np.float32),
        "depthwise.weight": kernel(8, 1, 3, 3),
        "depthwise.bias": generator.normal(0, 0.1, 8).astype(np.float32),
        "pointwise.weight": kernel(16, 8, 1, 1),
        "pointwise.bias": generator.normal(0, 0.5, 16).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "stem.weight", "stem.bias"], ["c0"], "/stem/Conv", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c0"], ["r0"], "/Relu"),
        helper.make_node(
            "Conv", ["r0", "depthwise.weight", "depthwise.bias"], ["c1"], "/depthwise/Conv", pads=[1] * 4, group=8
        ),
        helper.make_node("Add", ["c1", "r0"], ["sum"], "/Add"),
        helper.make_node("Relu", ["sum"], ["r1"], "/Relu_1"),
        helper.make_node("Conv", ["r1", "pointwise.weight", "pointwise.bias"], ["c2"], "/pointwise/Conv"),
        helper.make_node("Relu", ["c2"], ["r2"], "/Relu_2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], "/GlobalAveragePool"),
    ]
    source = "pixels" if normalizes else "x"
    if normalizes:
        weights |= {
            "mean": 255 * np.float32(MEAN).reshape(1, 3, 1, 1),
            "std": 255 * np.float32(STD).reshape(1, 3, 1, 1),
        }
        nodes = [
            helper.make_node("Sub", ["pixels", "mean"], ["centred"], "/Sub"),
            helper.make_node("Div", ["centred", "std"], ["x"], "/Div"),
            *nodes,
        ]
    if flatten == "Flatten":
        nodes.append(helper.make_node("Flatten", ["pooled"], ["features"], "/Flatten", axis=1))
    else:
        weights["shape"] = np.array([1, 16], np.int64)
        nodes.append(helper.make_node("Reshape", ["pooled", "shape"], ["features"], "/Reshape", allowzero=1))
    if flatten == "Concat":
        weights["token"] = np.zeros((1, 16), np.float32)
        nodes.append(helper.make_node("Concat", ["features", "token"], ["both"], "/Concat", axis=0))
        nodes.append(helper.make_node("ReduceSum", ["both"], ["total"], "/ReduceSum", keepdims=0))
        nodes.append(helper.make_node("Add", ["features", "total"], ["mixed"], "/Add_1"))
    body, features = list(nodes), "mixed" if flatten == "Concat" else "features"
    names = ["logits", *(f"after_{operator}" for operator in last)]
    weights |= {"head.weight": np.zeros((CLASSES, 16), np.float32), "head.bias": np.zeros(CLASSES, np.float32)}
    nodes.append(helper.make_node("Gemm", [features, "head.weight", "head.bias"], ["logits"], "/head/Gemm", transB=1))
    nodes += [
        helper.make_node(operator, [before], [behind], f"/{operator}", **_ATTRIBUTES.get(operator, {}))
        for operator, before, behind in zip(last, names, names[1:], strict=False)
    ]
    sides = {features: 16, names[-1]: CLASSES}
    outputs = [names[-1], *([features] if second_output else [])]

    def write(nodes: Sequence[Any], outputs: Sequence[str], batch: int | str) -> None:
        graph = helper.make_graph(
            nodes,
            "main_graph",
            [helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, sides[name]]) for name in outputs],
            [constant(array, name) for name, array in weights.items() if any(name in node.input for node in nodes)],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)

    images, labels = grey_images(200, (SIDE, SIDE), seed=9)
    write(body, [features], batch)
    given = images.transpose(0, 3, 1, 2).astype(np.float32) if normalizes else standardized(images)
    seen = answers(path, given).astype(np.float64)
    system = np.concatenate([seen, np.ones((len(seen), 1))], axis=1)
    solved = np.linalg.lstsq(system, 16.0 * np.eye(CLASSES)[labels], rcond=1e-6)[0]
    weights |= {"head.weight": solved[:-1].T.astype(np.float32), "head.bias": solved[-1].astype(np.float32)}
    if not named:
        for node in nodes:
            node.name = ""
    write(nodes, outputs, batch)
    return path


_ATTRIBUTES: dict[str, dict[str, Any]] = {"Softmax": {"axis": 1}, "LogSoftmax": {"axis": 1}}
