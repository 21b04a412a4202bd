"""Exporters write a graph for one image at a time unless they are told otherwise; here it learns to take any number."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.importing import onnx_file

_EXTRA = "convert"


def freed(model: Any) -> Any:
    """A copy of a model with a batch of any size.

    Only what reshapes to a fixed number of images needs a change; other places of a graph that have the number built
    in show when several images are computed.

    Args:
        model: an ONNX model with one input.
    """
    onnx = packages.require("onnx", _EXTRA)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    (image,) = graph.input
    batch = onnx_file.shape(image)[0]
    for value in (image, *graph.output):
        sides = value.type.tensor_type.shape.dim
        if sides:
            sides[0].Clear()
            sides[0].dim_param = "batch"
    if batch is None:
        return copy
    constants = _integers(onnx, graph)
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            sides = constants[node.input[1]]
            if sides.size and sides[0] == batch:
                _reshape_any(onnx, graph, node, sides)
    return copy


def _integers(onnx: Any, graph: Any) -> dict[str, Any]:
    """The whole numbers among a graph's constants."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found.update((node.output[0], attribute.t) for attribute in node.attribute if attribute.name == "value")
    return {
        name: onnx.numpy_helper.to_array(tensor).reshape(-1)
        for name, tensor in found.items()
        if tensor.data_type == onnx.TensorProto.INT64
    }


def _reshape_any(onnx: Any, graph: Any, node: Any, sides: Any) -> None:
    """Have a node leave the number of images to the others, or take it from its input."""
    name = f"{node.name}/shape_of_any_batch"
    rest = sides[1:]
    first = 0 if -1 in rest else -1
    if first == 0 or 0 not in rest:
        # With allowzero a 0 would be a side without elements.
        kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([first, *rest], np.int64), name))
    node.input[1] = name
