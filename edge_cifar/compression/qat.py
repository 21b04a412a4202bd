"""A network that rounds as an 8-bit device does while it is trained, and the file it becomes.

Weights are rounded channel by channel, as every converter here does it. tensorflow-model-optimization
by itself rounds those of a depthwise convolution with one scale for all channels, so its wrapper is
given quantizers of ours. Activations are rounded where a device rounds them: behind what it computes
in one go, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow
import tensorflow_model_optimization as tfmot
import tf_keras
from numpy.typing import NDArray

from edge_cifar import keras_graph
from edge_cifar.backbones import Model, Tensor
from edge_cifar.compression.folded_model import PIXELS, RESIZE, Kernels
from edge_cifar.converters.shared import bias_correction

# What computes new values; all other layers move values about, or turn logits into probabilities.
_COMPUTING = (
    *keras_graph.WEIGHTED,
    *("ReLU", "Activation", "Add", "Multiply", "GlobalAveragePooling2D", "Concatenate", "Resizing"),
)
_PASSING = ("MaxPooling2D", "AveragePooling2D", "ZeroPadding2D")
# Raw pixels, before and after they were resized: a byte is a pixel.
_BYTES = (PIXELS, RESIZE)
_BYTE_RANGE = (0.0, 255.0)
_KERNEL = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel", "Dense": "kernel"}


class QuantizationAware:
    """A network with rounding in it.

    Attributes:
        model: what is trained.
    """

    def __init__(self, network: Model, calibration: Iterable[NDArray[np.float32]], *, by_channel: bool = True) -> None:
        """Put rounding into a network, its ranges measured before the first step.

        Args:
            network: of a folded model; its layers become part of ``model``.
            calibration: batches of raw images, float32 ``[N, H, W, 3]``.
            by_channel: whether kernels have a scale for each channel, or one for the layer.
        """
        self._by_channel = by_channel
        graph = keras_graph.Graph(network)
        self._observed = frozenset(layer.name for layer in network.layers if _is_observed(graph, layer))
        self._plain = tf_keras.models.clone_model(network)
        self._variables = {layer.name: layer.weights for layer in keras_graph.weighted(network)}
        ranges = self._measured(network, calibration)
        self.model = self._wrapped(network, round_weights=True)
        self._set_ranges(self.model, ranges)

    def begin(self, optimizer: Any) -> None:
        """Nothing has to be told of the optimizer."""

    def kernels(self) -> Kernels:
        """Kernel and bias of each weighted layer as they are now; kernels lie on their 8-bit grid."""
        found = {}
        for name, (kernel, bias) in self._variables.items():
            shape = tuple(kernel.shape)
            scaled_alike = kernel.numpy().reshape(-1, int(bias.shape[0]) if self._by_channel else 1)
            found[name] = (bias_correction.rounded(scaled_alike).reshape(shape), bias.numpy())
        return found

    def deployable(self) -> Model:
        """The trained network for TensorFlow Lite's converter: it reads the ranges, and rounds the weights itself.

        It cannot read ours: it takes no rounding by channel of a depthwise kernel. The kernels are
        on the grid already, so that it finds the same integers.
        """
        plain = tf_keras.models.clone_model(self._plain)
        for name, arrays in self.kernels().items():
            plain.get_layer(name).set_weights(arrays)
        model = self._wrapped(plain, round_weights=False)
        trained = {name: _observer(self.model, name).limits() for name in self._observed}
        self._set_ranges(model, trained)
        return model

    def _wrapped(self, network: Model, *, round_weights: bool) -> Model:
        def wrapped(layer: Any) -> Any:
            # Weights that are not trained are small whole multiples of one another: 8 bits hold them as they are.
            kernel = _KERNEL.get(keras_graph.kind(layer)) if round_weights and layer.trainable else None
            observed = layer.name in self._observed
            if kernel is None and not observed:
                return layer
            observer = _Observer(follows=layer.name not in _BYTES) if observed else None
            return tfmot.quantization.keras.QuantizeWrapperV2(layer, _Config(kernel, observer, self._by_channel))

        return tf_keras.models.clone_model(network, clone_function=wrapped)

    def _measured(self, network: Model, calibration: Iterable[NDArray[np.float32]]) -> dict[str, tuple[float, float]]:
        """Least and largest value behind each observed layer: the mean over batches, as an observer would have it."""
        names = sorted(self._observed)
        outputs = tf_keras.Model(network.input, [network.get_layer(name).output for name in names])
        lowest, highest = [], []
        for batch in calibration:
            values = outputs(batch, training=False)
            lowest.append([float(tensorflow.reduce_min(value)) for value in values])
            highest.append([float(tensorflow.reduce_max(value)) for value in values])
        measured = zip(np.mean(lowest, axis=0), np.mean(highest, axis=0), strict=True)
        # Zero must be among the values of every range: borders are padded with it.
        return {
            name: _BYTE_RANGE if name in _BYTES else (min(0.0, float(low)), max(0.0, float(high)))
            for name, (low, high) in zip(names, measured, strict=True)
        }

    def _set_ranges(self, model: Model, ranges: dict[str, tuple[float, float]]) -> None:
        for name, limits in ranges.items():
            _observer(model, name).set_limits(limits)


class _WeightQuantizer(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Symmetric 8-bit integers, their scale that of the largest weight of a channel, or layer, at this moment."""

    def __init__(self, by_channel: bool) -> None:
        self._by_channel = by_channel

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        shape = [int(size) for size in tensor_shape]
        # The last two axes of a depthwise kernel count its output channels.
        channels = shape[-2] * shape[-1] if name == _KERNEL["DepthwiseConv2D"] else shape[-1]
        self._scales = channels if self._by_channel else 1
        return {}

    def __call__(self, inputs: Tensor, training: bool, weights: Any, **kwargs: Any) -> Tensor:
        scaled_alike = tensorflow.reshape(inputs, [-1, self._scales])
        largest = tensorflow.stop_gradient(tensorflow.reduce_max(tensorflow.abs(scaled_alike), axis=0))
        # A channel of zeros stays one.
        limit = tensorflow.maximum(largest, np.float32(1e-12))
        rounded = tensorflow.quantization.fake_quant_with_min_max_vars_per_channel(
            scaled_alike, -limit, limit, narrow_range=True
        )
        return tensorflow.reshape(rounded, inputs.shape)

    def get_config(self) -> dict[str, Any]:
        return {}


class _Observer(tfmot.quantization.keras.quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """Asymmetric 8-bit integers over a range that follows the values slowly, or stays."""

    def __init__(self, *, follows: bool) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self._follows = follows

    def __call__(self, inputs: Tensor, training: bool, weights: Any, **kwargs: Any) -> Tensor:
        return super().__call__(inputs, training and self._follows, weights, **kwargs)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        self._range = dict(super().build(tensor_shape, name, layer))
        return self._range

    def limits(self) -> tuple[float, float]:
        return float(self._range["min_var"]), float(self._range["max_var"])

    def set_limits(self, limits: tuple[float, float]) -> None:
        self._range["min_var"].assign(limits[0])
        self._range["max_var"].assign(limits[1])


class _Config(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """What is rounded of a layer: its kernel by name, or not; its output, or not."""

    def __init__(self, kernel: str | None, observer: _Observer | None, by_channel: bool) -> None:
        self._kernel = kernel
        self._weight_quantizer = _WeightQuantizer(by_channel)
        self.observer = observer

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return [(getattr(layer, self._kernel), self._weight_quantizer)] if self._kernel else []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        if self._kernel:
            setattr(layer, self._kernel, quantize_weights[0])

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        return None

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [] if self.observer is None else [self.observer]

    def get_config(self) -> dict[str, Any]:
        return {}


def _observer(model: Model, name: str) -> _Observer:
    observer = model.get_layer(f"quant_{name}").quantize_config.observer
    assert isinstance(observer, _Observer)
    return observer


def _is_observed(graph: keras_graph.Graph, layer: Any) -> bool:
    """Whether a device rounds what a layer puts out."""
    if keras_graph.kind(layer) not in _COMPUTING or _is_activation(layer, "softmax"):
        return False
    # Hard sigmoid and hard swish are written as sums and products with constants around a ReLU: one step of a device.
    sources = [keras_graph.kind(source) for source in graph.sources(layer)]
    if keras_graph.kind(layer) == "ReLU" and sources == ["TFOpLambda"]:
        return False
    reader = graph.sole_reader(layer)
    # ReLU is computed with what stands before it.
    if reader is not None and (keras_graph.kind(reader) == "ReLU" or _is_activation(reader, "relu")):
        return False
    # What is only put beside others takes the range that they have in common.
    while reader is not None and keras_graph.kind(reader) in _PASSING:
        reader = graph.sole_reader(reader)
    return keras_graph.kind(reader) != "Concatenate"


def _is_activation(layer: Any, name: str) -> bool:
    return keras_graph.kind(layer) == "Activation" and layer.activation.__name__ == name
