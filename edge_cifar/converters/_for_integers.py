"""The same network in a form that loses less, and takes less time, when its activations are integers.

Batch norms that no convolution can take in, behind an activation or a pooling, stay a multiplication
and an addition by a constant a channel. TFLite quantizes such a constant with one scale for all
channels, and small factors drown beside large ones. A depthwise convolution of one pixel computes the
same and has a scale a channel.

Pixels that are rescaled and then convolved are multiplied for nothing: the weights can hold the factor,
since they have a scale of their own whatever it is. The offset stays where a convolution pads, because
its border is zero behind it and not before. Where none pads, TFLite moves it into the bias; then it is
moved here, so that the means that biases are corrected by are those of what the file's convolution sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edge_cifar import keras_graph, packages
from edge_cifar.keras_graph import Graph


def prepared(model: Any) -> Any:
    """A copy of the model in that form; the model itself where there is nothing to change."""
    keras = packages.require_keras()
    layers = keras.layers
    graph = Graph(model)
    alone = {layer.name for layer in _norms_alone(model, graph)}
    remaining: dict[str, float] = {}
    taken: dict[str, tuple[float, float]] = {}
    for layer in _rescalings(model, graph):
        offset = layer.offset / layer.scale
        moved = offset if all(_unpadded(one, graph) for one in graph.readers(layer)) else 0.0
        if layer.scale != 1 or moved:
            remaining[layer.name] = offset - moved
            taken |= {one.name: (layer.scale, moved) for one in graph.readers(layer)}
    if not (alone or taken):
        return model

    def copied(layer: Any) -> Any:
        if layer.name in alone:
            return layers.DepthwiseConv2D(1, name=layer.name)
        if layer.name in remaining:
            return layers.Rescaling(1.0, offset=remaining[layer.name], name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def called(layer: Any, *inputs: Any, **options: Any) -> Any:
        # A batch norm may have been called with a mask, of which a convolution knows nothing.
        return layer(*inputs) if layer.name in alone else layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=copied, call_function=called)
    for layer in model.layers:
        if not layer.weights:
            # An input without a name of its own gets another in the copy.
            continue
        weights = _as_convolution(layer) if layer.name in alone else layer.get_weights()
        copy.get_layer(layer.name).set_weights(weights)
    copied_graph = Graph(copy)
    for name, (scale, offset) in taken.items():
        _take_in(copy.get_layer(name), copied_graph, scale, offset)
    return copy


def _norms_alone(model: Any, graph: Graph) -> Iterator[Any]:
    """Batch normalizations of pictures that are folded into nothing."""
    folded = {graph.folded(layer) for layer in keras_graph.weighted(model)}
    for layer in model.layers:
        alone = keras_graph.kind(layer) == keras_graph.BATCH_NORMALIZATION and layer not in folded
        if alone and len(layer.output.shape) == 4:
            yield layer


def _rescalings(model: Any, graph: Graph) -> Iterator[Any]:
    """Rescalings by one number that only convolutions read."""
    for layer in model.layers:
        if keras_graph.kind(layer) == "Rescaling" and np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0:
            readers = graph.readers(layer)
            if readers and all(keras_graph.kind(one) in keras_graph.CONVOLUTIONS for one in readers):
                yield layer


def _unpadded(layer: Any, graph: Graph) -> bool:
    """Whether an offset before a layer may as well stand in its bias, or in the mean of the batch norm behind it."""
    unpadded = keras_graph.kind(layer) == "Conv2D" and layer.padding == "valid"
    return unpadded and (layer.use_bias or graph.folded(layer) is not None)


def _take_in(convolution: Any, graph: Graph, scale: float, offset: float) -> None:
    """Have a convolution compute of ``x`` what it computed of ``scale * (x + offset)``."""
    kernel = convolution.kernel.numpy() * scale
    convolution.kernel.assign(kernel)
    if not offset:
        return
    share = offset * kernel.sum(axis=(0, 1, 2))
    if convolution.use_bias:
        convolution.bias.assign(convolution.bias.numpy() + share)
    elif normalization := graph.folded(convolution):
        normalization.moving_mean.assign(normalization.moving_mean.numpy() - share)


def _as_convolution(normalization: Any) -> list[Any]:
    """Kernel ``[1, 1, channels, 1]`` and bias of the convolution that does what a batch norm does."""
    scale, shift = keras_graph.scale_and_shift(normalization)
    return [scale[np.newaxis, np.newaxis, :, np.newaxis], shift]
