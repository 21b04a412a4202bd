"""Weights that half precision holds exactly, so that fp16 artifacts differ from the model by arithmetic alone.

Converters fold a batch norm into the convolution before it and round the product to 16 bits. On an image
enlarged in the graph neighbouring pixels are nearly equal, and filters that tell them apart have large
weights that cancel; errors of rounding do not cancel. They moved single probabilities of a fine-tuned
MobileNetV2 by a tenth. A trained network does not care which of two neighbouring half-precision values
a weight takes; a comparison with it does. So training ends by choosing them, and everything measured of
the model is measured of the weights that travel.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Model

Weights = NDArray[np.float32]


def settle(model: Model) -> None:
    """Move weights to where their product with the batch norm behind them is a half-precision value.

    Changes convolutions and dense layers of a trained model in place, each weight by at most one part
    in 2,048, and one below half precision's smallest normal value (6e-5) by at most 3e-8. Weights of
    other layers stay.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
            _settle_layer(layer, _batch_norm_behind(layer))


def _settle_layer(layer: Any, batch_norm: Any | None) -> None:
    kernel, *bias = layer.get_weights()
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    filters = kernel.shape[2] * kernel.shape[3] if depthwise else kernel.shape[-1]
    scale, shift = _affine(batch_norm, filters)
    # A depthwise kernel is [height, width, channels, multiplier]; its filters are the last two together.
    by_filter = kernel.reshape(-1, filters)
    settled = np.divide(_half(by_filter * scale), scale, out=by_filter.copy(), where=scale != 0)
    if batch_norm is None:
        layer.set_weights([settled.reshape(kernel.shape), *map(_half, bias)])
        return
    layer.set_weights([settled.reshape(kernel.shape), *bias])
    if batch_norm.center:
        folded = shift + (bias[0] * scale if bias else 0.0)
        batch_norm.beta.assign(_value(batch_norm.beta) + (_half(folded) - folded))


def _batch_norm_behind(layer: Any) -> Any | None:
    """The batch norm that a converter folds into this layer: the only reader of its output, with no ReLU between."""
    readers = [node.operation for node in layer._outbound_nodes]
    alone = len(readers) == 1 and layer.activation is keras.activations.linear
    return readers[0] if alone and isinstance(readers[0], keras.layers.BatchNormalization) else None


def _affine(batch_norm: Any | None, filters: int) -> tuple[Weights, Weights]:
    """Scale and shift of a batch norm in inference, float32 ``[filters]``."""
    ones, zeros = np.ones(filters, np.float32), np.zeros(filters, np.float32)
    if batch_norm is None:
        return ones, zeros
    gamma = _value(batch_norm.gamma) if batch_norm.scale else ones
    beta = _value(batch_norm.beta) if batch_norm.center else zeros
    scale = gamma / np.sqrt(_value(batch_norm.moving_variance) + np.float32(batch_norm.epsilon))
    return scale, beta - _value(batch_norm.moving_mean) * scale


def _value(variable: Any) -> Weights:
    values: Weights = keras.ops.convert_to_numpy(variable)
    return values


def _half(values: Weights) -> Weights:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float32)
    # What is too large for half precision stays: an fp16 artifact of it fails its check, the others need not.
    return np.where(np.isfinite(half), half, values)
