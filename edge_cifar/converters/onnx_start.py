"""What every ONNX file is made from: a Keras model, or a model that is ONNX already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_cifar import conversion_cache, packages
from edge_cifar.converters import Calibration, _onnx_folding, _onnx_weights
from edge_cifar.converters.shared import bias_correction, tf_graph

_EXTRA = "convert"
_BATCH = 25
_WEIGHTED = ("Conv", "Gemm", "MatMul")


class Start(Protocol):
    """A model in float32, on its way to ONNX files of several precisions."""

    @property
    def source(self) -> Any:
        """What :mod:`edge_cifar.conversion_cache` knows the model by."""
        ...

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and 3 of the raw pixels that it takes."""
        ...

    def content(self) -> bytes:
        """The ONNX file: ``image``, float32 ``[batch, H, W, 3]`` in 0..255, to ``probabilities``, its batch
        normalizations folded."""
        ...

    def layers(self) -> Mapping[str, str]:
        """By the name of a node with weights, the name by which users know it."""
        ...

    def shifts(self, calibration: Calibration) -> Mapping[str, NDArray[np.float32]]:
        """By the name of a convolution's node, what to add to its bias for the rounding of its weights, ``[outputs]``.

        Args:
            calibration: images to measure the means of the convolutions' inputs on.
        """
        ...


def start_of(model: Any) -> Start:
    """A Keras model's start; an :class:`OnnxStart` is one already."""
    if isinstance(model, OnnxStart):
        return model
    from edge_cifar.converters._onnx_of_keras import KerasStart

    return KerasStart(model)


class OnnxStart:
    """A classifier that is ONNX already: see :class:`Start`.

    Args:
        path: a file as :mod:`edge_cifar.importing` leaves it: ``image`` to ``probabilities``, as a start's content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def source(self) -> OnnxStart:
        """Itself."""
        return self

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and 3."""
        _, height, width, channels = (
            side.dim_value for side in self._model().graph.input[0].type.tensor_type.shape.dim
        )
        return height, width, channels

    def content(self) -> bytes:
        """The file's graph, its batch normalizations folded."""
        return conversion_cache.once(
            self, "onnx", lambda: _onnx_folding.folded(packages.require("onnx", _EXTRA).load(self.path))
        )

    def layers(self) -> Mapping[str, str]:
        """Every node with weights, by its own name."""
        return {node.name: node.name for node, _ in _weighted(self._model().graph)}

    def kinds(self) -> Mapping[str, str]:
        """By the name of a node with weights, its operator."""
        return {node.name: node.op_type for node, _ in _weighted(self._model().graph)}

    def shifts(self, calibration: Calibration) -> Mapping[str, NDArray[np.float32]]:
        """By node, for two-dimensional convolutions; borders are passed over, as for Keras' layers."""
        return conversion_cache.once(
            self, ("onnx shifts", calibration.digest()), lambda: _shifts(self._model(), calibration)
        )

    def _model(self) -> Any:
        return packages.require("onnx", _EXTRA).load_from_string(self.content())


def _weighted(graph: Any) -> Iterator[tuple[Any, NDArray[np.float32]]]:
    """The nodes with weights, each with its weights as they are stored."""
    numpy_helper = packages.require("onnx.numpy_helper", _EXTRA)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _WEIGHTED and node.input[1] in constants:
            yield node, numpy_helper.to_array(constants[node.input[1]])


def _shifts(model: Any, calibration: Calibration) -> dict[str, NDArray[np.float32]]:
    convolutions = [(node, kernel) for node, kernel in _weighted(model.graph) if kernel.ndim == 4]
    means = _input_means(model, [node.input[0] for node, _ in convolutions], calibration)
    found = {}
    for node, kernel in convolutions:
        # [outputs, inputs of a group, height, width]; the outputs last for the scales.
        filters = np.moveaxis(kernel, 0, -1)
        lost = (filters - bias_correction.rounded(filters, _onnx_weights.steps)).sum(axis=(1, 2))
        found[node.name] = bias_correction.lost_mean(lost, means[node.input[0]]).astype(np.float32)
    return found


def _input_means(model: Any, values: list[str], calibration: Calibration) -> dict[str, NDArray[np.float64]]:
    """Mean of each channel of values ``[batch, channels, H, W]``, over the calibration images and all places."""
    onnx = packages.require("onnx", _EXTRA)
    runtime = packages.require("onnxruntime", _EXTRA)
    names = {value: f"{value}/mean" for value in values}
    if not names:
        return {}
    for value, mean in names.items():
        model.graph.node.append(onnx.helper.make_node("GlobalAveragePool", [value], [mean]))
        model.graph.output.append(onnx.helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None))
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = {value: np.zeros(1) for value in names}
    for batch in calibration.batches(_BATCH):
        answers = session.run(list(names.values()), {tf_graph.INPUT: batch})
        for value, answer in zip(names, answers, strict=True):
            sums[value] = sums[value] + answer.reshape(answer.shape[:2]).sum(axis=0, dtype=np.float64)
    return {value: total / len(calibration.images) for value, total in sums.items()}
