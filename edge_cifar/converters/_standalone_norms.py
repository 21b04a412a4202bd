"""Batch normalizations that no convolution can take in, as convolutions of their own.

Behind an activation or a pooling a batch norm stays a multiplication and an addition by a constant a
channel. TFLite quantizes such a constant with one scale for all channels, and small factors drown
beside large ones. A depthwise convolution of one pixel computes the same and has a scale a channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.converters import _bias_correction


def as_convolutions(model: Any) -> Any:
    """The model with each such batch normalization replaced; the model itself where it has none."""
    keras = packages.require_keras()
    layers = keras.layers
    folded = {
        normalization
        for layer in model.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense)
        and (normalization := _bias_correction.folded_into(layer)) is not None
    }
    alone = {
        layer.name
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization) and layer not in folded and len(layer.output.shape) == 4
    }
    if not alone:
        return model

    def copied(layer: Any) -> Any:
        if layer.name in alone:
            return layers.DepthwiseConv2D(1, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def called(layer: Any, *inputs: Any, **options: Any) -> Any:
        # A batch norm is called with a mask, which a convolution does not take.
        return layer(*inputs) if layer.name in alone else layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=copied, call_function=called)
    for layer in model.layers:
        copy.get_layer(layer.name).set_weights(_factors(layer) if layer.name in alone else layer.get_weights())
    return copy


def _factors(normalization: Any) -> list[Any]:
    """Kernel ``[1, 1, channels, 1]`` and bias of the convolution that does what a batch norm does."""
    scale = 1 / np.sqrt(normalization.moving_variance.numpy() + normalization.epsilon)
    scale = scale * normalization.gamma.numpy() if normalization.scale else scale
    shift = normalization.beta.numpy() if normalization.center else 0.0
    return [scale[np.newaxis, np.newaxis, :, np.newaxis], shift - scale * normalization.moving_mean.numpy()]
