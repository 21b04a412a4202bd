"""The ONNX graph in float32 that a Keras model becomes, and what is known of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import Calibration, _onnx_folding, _onnx_weights
from edge_cifar.converters.shared import bias_correction, layer_matching, tf_graph

# With 18 tf2onnx leaves a transpose more than with 17; nothing newer is used by a classifier.
OPSET = 17

_EXTRA = "convert"


class KerasStart:
    """A Keras model as every ONNX file of it starts: see :class:`edge_cifar.converters.onnx_start.Start`.

    Attributes:
        source: the Keras model, in float32.
    """

    def __init__(self, model: Any) -> None:
        self.source = model

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and 3."""
        height, width, channels = self.source.input_shape[1:]
        return height, width, channels

    def content(self) -> bytes:
        """The model as ONNX, its batch normalizations folded into the convolutions before them."""
        return conversion_cache.once(self.source, "onnx", lambda: _converted(self.source))

    def layers(self) -> Mapping[str, str]:
        """The names of Keras' layers by the names of the nodes that they became."""
        return conversion_cache.once(self.source, "onnx layers", self._layers)

    def _layers(self) -> Mapping[str, str]:
        onnx = packages.require("onnx", _EXTRA)
        return layer_matching.match(self.source, _filters(onnx.load_from_string(self.content()).graph))

    def shifts(self, calibration: Calibration) -> Mapping[str, NDArray[np.float32]]:
        """See :func:`edge_cifar.converters.shared.bias_correction.shifts`; here by node."""
        shifts = conversion_cache.once(
            self.source,
            ("onnx shifts", calibration.digest()),
            lambda: bias_correction.shifts(self.source, calibration, _onnx_weights.steps),
        )
        return {node: shifts[layer] for node, layer in self.layers().items() if layer in shifts}


def _converted(model: Any) -> bytes:
    tf2onnx = packages.require("tf2onnx", _EXTRA)
    graph_def = tf_graph.frozen(model, batch=None).graph.as_graph_def()
    graph, _ = tf2onnx.convert.from_graph_def(
        graph_def, input_names=[f"{tf_graph.INPUT}:0"], output_names=[f"{tf_graph.OUTPUT}:0"], opset=OPSET
    )
    _rename(graph, {f"{tf_graph.INPUT}:0": tf_graph.INPUT, f"{tf_graph.OUTPUT}:0": tf_graph.OUTPUT})
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = tf_graph.BATCH
    return _onnx_folding.folded(graph)


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.graph.input, *graph.graph.output):
        value.name = names.get(value.name, value.name)


def _filters(graph: Any) -> dict[str, NDArray[np.float32]]:
    """By node, the weights of convolutions and matrix products, ``[outputs, weights of one]``."""
    onnx = packages.require("onnx", _EXTRA)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm") or node.input[1] not in constants:
            continue
        weights = onnx.numpy_helper.to_array(constants[node.input[1]])
        if node.op_type == "Conv":
            found[node.name] = np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
        else:
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            found[node.name] = weights if transposed else weights.T
    return found
