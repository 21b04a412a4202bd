"""The whole graph: raw RGB pixels in, what the network expects made of them, the network, probabilities out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.importing.assembly import LUMINANCE, affine
from edge_cifar.importing.inputs import NetworkInput, Size
from edge_cifar.importing.outputs import Finish
from edge_cifar.preprocessing import Preprocessing

INPUT, OUTPUT = "image", "probabilities"

_EXTRA = "convert"
_BEFORE, _BEHIND, _WITHIN = "preprocess", "head", "network"


class _Part:
    """Nodes in a row, with their constants."""

    def __init__(self, prefix: str, start: str) -> None:
        self._onnx = packages.require("onnx", _EXTRA)
        self._prefix = prefix
        self.value = start
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *constants: Any, **attributes: Any) -> None:
        """A node that reads the last value, and constants."""
        self.join(operator, self.value, *map(self.constant, constants), **attributes)

    def join(self, operator: str, *values: str, **attributes: Any) -> None:
        """A node that reads any values."""
        name = f"{self._prefix}/{operator}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, [*values], [f"{name}:0"], name=name, **attributes))
        self.value = f"{name}:0"

    def constant(self, array: Any) -> str:
        """The name of a constant; no name for None, which is an input left out."""
        if array is None:
            return ""
        name = f"{self._prefix}/constant_{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def end(self, name: str) -> None:
        """Call the last value so."""
        self.join("Identity", self.value)
        self.nodes[-1].output[0] = self.value = name


def front(model: Any, taken: NetworkInput, preprocessing: Preprocessing, size: Size) -> Any:
    """The model before the network: raw RGB pixels to what the network takes.

    Args:
        model: the network, an ONNX model with one input.
        taken: how it takes an image.
        preprocessing: range or mean and standard deviation.
        size: height and width of the raw images.

    Returns:
        an ONNX model from float32 ``[batch, *size, 3]`` in 0..255 to ``[batch, *taken.shape]``.
    """
    part = _Part(_BEFORE, INPUT)
    if size != taken.size:
        scales = np.array([1, *map(_scale, size, taken.size), 1], np.float32)
        part.add("Resize", None, scales, mode="linear", coordinate_transformation_mode="half_pixel")
    if taken.channels == "bgr":
        part.add("Gather", np.array([2, 1, 0]), axis=3)
    elif taken.channels == "gray":
        part.add("MatMul", np.array(LUMINANCE, np.float32)[:, np.newaxis])
    scale, offset = (np.array(one, np.float32) for one in affine(preprocessing, taken.depth))
    if (scale != 1).any():
        part.add("Mul", _alike(scale))
    if offset.any():
        part.add("Add", _alike(offset))
    if taken.layout == "nchw":
        part.add("Transpose", perm=[0, 3, 1, 2])
    if len(taken.shape) < 3:
        part.add("Reshape", np.array([-1, *taken.shape], np.int64))
    part.end(_within(model.graph.input[0].name))
    return _model(model, part.nodes, part.constants, (*size, 3), INPUT, part.value, taken.shape)


def assembled(model: Any, before: Any, output: str, scores: int, finish: Finish) -> Any:
    """The whole model.

    Args:
        model: the network, with a batch of any size.
        before: what :func:`front` made for it.
        output: name of the network's output that holds the class scores.
        scores: how many they are.
        finish: what makes probabilities of them.
    """
    network = _renamed(model)
    part = _Part(_BEHIND, _within(output))
    part.add("Reshape", np.array([-1, scores], np.int64))
    if finish == "softmax":
        part.add("Softmax", axis=-1)
    elif finish != "none":
        if finish == "sigmoid-pair":
            part.add("Sigmoid")
        second = part.value
        part.join("Sub", part.constant(np.float32(1)), second)
        part.join("Concat", part.value, second, axis=1)
    part.end(OUTPUT)
    nodes = [*before.graph.node, *network.graph.node, *part.nodes]
    read = {name for node in nodes for name in node.input} | {name for node in nodes for name in _read_within(node)}
    given = (*before.graph.initializer, *network.graph.initializer, *part.constants)
    constants = [tensor for tensor in given if tensor.name in read]
    size = tuple(side.dim_value for side in before.graph.input[0].type.tensor_type.shape.dim[1:])
    whole = _model(model, nodes, constants, size, INPUT, OUTPUT, (max(scores, 2),))
    return packages.require("onnx", _EXTRA).shape_inference.infer_shapes(whole)


def _scale(given: int, wanted: int) -> np.float32:
    """The factor by which a side is resized; the runtime rounds the side that results down."""
    scale = np.float32(wanted / given)
    return scale if math.floor(np.float32(given) * scale) == wanted else np.nextafter(scale, np.float32(np.inf))


def _alike(numbers: Any) -> Any:
    """One number where all channels have the same."""
    return numbers[0] if (numbers == numbers[0]).all() else numbers


def _model(
    model: Any,
    nodes: Collection[Any],
    constants: Collection[Any],
    taken: tuple[int, ...],
    start: str,
    end: str,
    given: tuple[int, ...],
) -> Any:
    """An ONNX model of another's versions."""
    helper, kind = packages.require("onnx.helper", _EXTRA), packages.require("onnx", _EXTRA).TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "classifier",
        [helper.make_tensor_value_info(start, kind, ["batch", *taken])],
        [helper.make_tensor_value_info(end, kind, ["batch", *given])],
        list(constants),
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _within(name: str) -> str:
    """What a value of the network is called in the whole."""
    clashes = name in (INPUT, OUTPUT) or name.partition("/")[0] in (_BEFORE, _BEHIND)
    return f"{_WITHIN}/{name}" if clashes else name


def _renamed(model: Any) -> Any:
    """A copy whose values have no name that the whole uses."""
    copy = packages.require("onnx", _EXTRA).ModelProto()
    copy.CopyFrom(model)
    _rename(copy.graph)
    return copy


def _rename(graph: Any) -> None:
    for node in graph.node:
        node.input[:] = map(_within, node.input)
        node.output[:] = map(_within, node.output)
        for inner in _inner(node):
            _rename(inner)
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = _within(value.name)


def _inner(node: Any) -> list[Any]:
    """The branches of an If and the body of a Loop, which read values around them by their names."""
    found = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return [graph for graph in found if graph.node]


def _read_within(node: Any) -> set[str]:
    """Names that the graphs inside a node read or give."""
    graphs = _inner(node)
    names = {name for graph in graphs for one in graph.node for name in (*one.input, *_read_within(one))}
    return names | {value.name for graph in graphs for value in graph.output}


def parameters(model: Any) -> int:
    """How many weights a model has: floating-point constants of more than one number."""
    onnx = packages.require("onnx", _EXTRA)
    sizes = (math.prod(one.dims) for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    return sum(size for size in sizes if size > 1)


def multiply_adds(whole: Any) -> int | None:
    """Multiplications of convolutions and matrix products for one image, as :mod:`edge_cifar.training.complexity`
    counts them; None where a shape is not known.

    Args:
        whole: what :func:`assembled` made.
    """
    constants: Mapping[str, Any] = {one.name: one.dims for one in whole.graph.initializer}
    shapes = {
        value.name: [side.dim_value or None for side in value.type.tensor_type.shape.dim][1:]
        for value in (*whole.graph.value_info, *whole.graph.output)
    }
    total = 0
    for node in whole.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in constants:
            continue
        sides, kernel = shapes.get(node.output[0]), constants[node.input[1]]
        if not sides or None in sides:
            return None
        # Each weight once for every position of the output: of the channels, one is a position.
        channels = sides[0] if node.op_type == "Conv" else sides[-1]
        total += math.prod(side for side in sides if side) // (channels or 1) * math.prod(kernel)
    return total
