"""A small ONNX classifier that takes long enough to be timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def convolution(path: Path) -> Path:
    """A small classifier of 32×32 images: one convolution, averaged, softmax."""
    from onnx import TensorProto, helper, numpy_helper, save

    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.normal(size=(32, 3, 5, 5)).astype(np.float32), "kernel"),
        numpy_helper.from_array(random.normal(size=(32, 10)).astype(np.float32), "dense"),
    ]
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("MatMul", ["vector", "dense"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 32, 32, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    save(model, path)
    return path
