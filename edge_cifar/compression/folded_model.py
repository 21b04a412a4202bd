"""The network that is trained again: a Keras 3 model in tf_keras, its batch norms folded, as it runs on devices.

tensorflow-model-optimization knows tf_keras alone, and refuses some of what the backbones are made
of. So the network is written out as converters would: batch normalization folded into the layer
before it or, where that cannot be, turned into a depthwise convolution of one pixel; dropout gone;
the preprocessing as one convolution. What is trained are then the very weights that a device
multiplies with, and they are what is rounded, pruned or clustered: a scale that was folded in
afterwards would undo all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_cifar import keras_graph
from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.errors import ConversionError
from edge_cifar.keras_graph import Weights

# Kernel and bias of each weighted layer, by its name.
Kernels = Mapping[str, Sequence[Weights]]

PIXELS = "pixels"
RESIZE = "resize"
PREPROCESSING = "preprocessing"


@dataclass(frozen=True, kw_only=True)
class FoldedLayer:
    """A weighted layer of the network and where its weights come from in the trunk.

    Attributes:
        weighted: layer of the trunk with a kernel; None for a batch normalization that stands alone.
        normalization: batch normalization that is folded in; None for none.
    """

    weighted: Any | None
    normalization: Any | None


@dataclass(frozen=True, kw_only=True)
class FoldedModel:
    """A backbone twice over, in tf_keras.

    Attributes:
        trunk: as the backbone builds it, from preprocessed images; its weights are in the order of
            the Keras 3 model's.
        network: the same function from raw pixels, written out for devices.
        parts: what each weighted layer of the network was made of, by its name.
    """

    trunk: Model
    network: Model
    parts: Mapping[str, FoldedLayer]

    def weights(self, trained: Kernels) -> list[Weights]:
        """All weights of the Keras 3 model that computes what a trained network does.

        Batch normalizations whose scale went into a kernel become the addition of a bias.

        Args:
            trained: kernel and bias of every weighted layer, by its name.
        """
        for name, part in self.parts.items():
            kernel, bias = trained[name]
            if part.weighted is not None:
                own = np.zeros_like(bias) if part.normalization is not None else bias
                part.weighted.set_weights([kernel, own] if part.weighted.use_bias else [kernel])
            if part.normalization is not None:
                scale = kernel.reshape(-1) if part.weighted is None else np.ones_like(bias)
                part.normalization.set_weights(_normalizing(part.normalization, scale, bias))
        return [np.asarray(array, np.float32) for array in self.trunk.get_weights()]


def build(
    keras: Keras,
    backbone: Backbone,
    weights: Sequence[Weights],
    *,
    input_shape: tuple[int, int, int],
    image_size: int,
    classes: int,
    alpha: float,
) -> FoldedModel:
    """The folded form of a trained model.

    Args:
        keras: the ``tf_keras`` namespace.
        backbone: of the model.
        weights: as ``get_weights()`` of the Keras 3 model gives them.
        input_shape: (height, width, 3) of the raw images.
        image_size: side that the backbone sees.
        classes: number of classes.
        alpha: width multiplier.

    Raises:
        ConversionError: the weights are of another network, or the network has a layer that cannot
            be written out.
    """
    features = keras.Input((image_size, image_size, 3), name="features")
    trunk = keras.Model(features, backbone.build(keras, features, classes=classes, alpha=alpha))
    shapes = [tuple(weight.shape) for weight in trunk.weights]
    if shapes != [array.shape for array in weights]:
        raise ConversionError(f"the model's weights do not fit {backbone.name} as this version builds it")
    trunk.set_weights(weights)
    image = keras.Input(input_shape, name="image")
    # Does nothing but carry the rounding of the pixels themselves.
    hidden = keras.layers.Activation("linear", name=PIXELS)(image)
    if input_shape[:2] != (image_size, image_size):
        hidden = keras.layers.Resizing(image_size, image_size, interpolation="bilinear", name=RESIZE)(hidden)
    outputs, parts = _written_out(keras, trunk, _preprocessed(keras, backbone, hidden))
    return FoldedModel(trunk=trunk, network=keras.Model(image, outputs, name="network"), parts=parts)


def _preprocessed(keras: Keras, backbone: Backbone, pixels: Tensor) -> Tensor:
    """A backbone's preprocessing as one convolution: each output channel is affine in a pixel's three values."""
    pixel = keras.Input((1, 1, 3))
    model = keras.Model(pixel, backbone.preprocess(keras, pixel))
    probes = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 100, 200]], np.float32)
    answers = model(probes.reshape(-1, 1, 1, 3)).numpy().reshape(-1, 3)
    offset = answers[0]
    kernel = (answers[1:4] - offset) / 255
    if not np.allclose(probes[4] @ kernel + offset, answers[4], rtol=1e-4, atol=1e-4):
        raise ConversionError(
            f"the preprocessing of {backbone.name} is not affine, so QAT and sparsity do not support it"
        )
    layer = keras.layers.Conv2D(3, 1, trainable=False, name=PREPROCESSING)
    hidden = layer(pixels)
    layer.set_weights([kernel.reshape(1, 1, 3, 3), offset])
    return hidden


def _written_out(keras: Keras, trunk: Model, features: Tensor) -> tuple[Tensor, dict[str, FoldedLayer]]:
    """The trunk's layers called anew on ``features``, as the module's docstring says."""
    tensors: dict[int, Tensor] = {id(trunk.input): features}
    parts: dict[str, FoldedLayer] = {}
    folded: set[str] = set()
    graph = keras_graph.Graph(trunk)
    for layer in trunk.layers[1:]:
        (node,) = graph.nodes(layer)
        arguments, options = _replaced((node.call_args, node.call_kwargs), tensors)
        kind = keras_graph.kind(layer)
        if layer.name in folded or kind == "Dropout":
            result = arguments[0]
        elif kind in keras_graph.WEIGHTED:
            normalization = graph.folded(layer)
            if normalization is not None:
                folded.add(normalization.name)
            result = _weighted(keras, layer, normalization, arguments[0])
            parts[layer.name] = FoldedLayer(weighted=layer, normalization=normalization)
        elif kind == keras_graph.BATCH_NORMALIZATION:
            result = _pointwise(keras, layer, arguments[0])
            parts[layer.name] = FoldedLayer(weighted=None, normalization=layer)
        else:
            result = type(layer).from_config(layer.get_config())(*arguments, **options)
        tensors[id(layer.output)] = result
    return tensors[id(trunk.output)], parts


def kernels_of(network: Model) -> Kernels:
    """Kernel and bias of each weighted layer of a network."""
    return {layer.name: layer.get_weights() for layer in keras_graph.weighted(network)}


def _replaced(value: Any, tensors: Mapping[int, Tensor]) -> Any:
    """A nest of a layer's arguments with its tensors exchanged for the new ones."""
    if isinstance(value, list | tuple):
        return type(value)(_replaced(item, tensors) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, tensors) for key, item in value.items()}
    return tensors.get(id(value), value)


def _weighted(keras: Keras, layer: Any, normalization: Any | None, inputs: Tensor) -> Tensor:
    """A weighted layer with a bias, which holds the normalization behind it; softmax goes into a layer of its own."""
    config = {**layer.get_config(), "use_bias": True}
    softmax = config["activation"] == "softmax"
    made = type(layer).from_config({**config, "activation": "linear"} if softmax else config)
    hidden = made(inputs)
    kernel, *biases = layer.get_weights()
    channels = hidden.shape[-1]
    bias = biases[0] if biases else np.zeros(channels, np.float32)
    if normalization is not None:
        scale, shift = keras_graph.scale_and_shift(normalization)
        folded = keras_graph.by_filter(layer, kernel) * scale
        kernel, bias = folded.reshape(kernel.shape), bias * scale + shift
    made.set_weights([kernel, bias])
    return keras.layers.Activation("softmax", name=f"{layer.name}_softmax")(hidden) if softmax else hidden


def _pointwise(keras: Keras, normalization: Any, inputs: Tensor) -> Tensor:
    """A normalization that nothing takes in, as a depthwise convolution of one pixel with a bias."""
    if len(inputs.shape) != 4:
        raise ConversionError(
            f"the batch normalization {normalization.name} can be folded into no layer, and its input is no feature map"
        )
    scale, shift = keras_graph.scale_and_shift(normalization)
    layer = keras.layers.DepthwiseConv2D(1, name=normalization.name)
    hidden = layer(inputs)
    layer.set_weights([scale.reshape(1, 1, -1, 1), shift])
    return hidden


def _normalizing(normalization: Any, scale: Weights, shift: Weights) -> list[Weights]:
    """Weights of a batch normalization that multiplies by ``scale`` and adds ``shift``."""
    variance = np.full_like(scale, np.float32(1) - np.float32(normalization.epsilon))
    gamma = [scale] if normalization.scale else []
    return [*gamma, shift, np.zeros_like(shift), variance]
