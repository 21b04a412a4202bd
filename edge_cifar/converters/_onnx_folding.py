"""The form of an ONNX graph that every precision starts from: batch norms folded, everything named by its place."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from edge_cifar import packages
from edge_cifar.storage import scratch

_EXTRA = "convert"
_COUNTER = re.compile(r"__\d+$")


def folded(graph: Any) -> bytes:
    """A model whose batch normalizations are folded into the convolutions before them, its constants computed.

    Args:
        graph: an ONNX model in float32.
    """
    onnx = packages.require("onnx", _EXTRA)
    preprocess = packages.require("onnxruntime.quantization.shape_inference", _EXTRA).quant_pre_process
    with scratch.folder("onnx") as folder:
        unfolded, path = folder / "unfolded.onnx", folder / "folded.onnx"
        onnx.save(graph, unfolded)
        # tf2onnx folds the batch norms of plain convolutions only; this folds those of depthwise ones too.
        preprocess(str(unfolded), str(path), skip_symbolic_shape=True)
        folded = onnx.load(path)
    _name_by_place(folded.graph)
    return bytes(folded.SerializeToString(deterministic=True))


def _name_by_place(graph: Any) -> None:
    """Name nodes after their layers and tensors after their nodes.

    tf2onnx numbers them with a counter that runs on through the whole process, so that a second conversion would give
    other bytes. Others leave nodes without names.
    """
    nodes = Counter[str]()
    for node in graph.node:
        stem = _COUNTER.sub("", node.name) or node.op_type
        nodes[stem] += 1
        node.name = stem if nodes[stem] == 1 else f"{stem}_{nodes[stem]}"
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for node in graph.node:
        for number, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}:{number}")
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        for number, name in enumerate(node.input):
            if name in constants:
                names.setdefault(name, f"{node.name}/constant_{number}")
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in (*graph.initializer, *graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)
    graph.initializer.sort(key=lambda tensor: tensor.name)
    graph.value_info.sort(key=lambda value: value.name)
    graph.doc_string = ""
