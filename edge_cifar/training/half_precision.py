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

import numpy as np

from edge_cifar import keras_graph
from edge_cifar.backbones import Model
from edge_cifar.keras_graph import Weights


def settle(model: Model) -> None:
    """Move weights to where their product with the batch norm behind them is a half-precision value.

    Changes convolutions and dense layers of a trained model in place, each weight by at most one part
    in 2,048, and one below half precision's smallest normal value (6e-5) by at most 3e-8. Weights of
    other layers stay.
    """
    graph = keras_graph.Graph(model)
    for layer in keras_graph.weighted(model):
        _settle_layer(layer, graph.folded(layer))


def _settle_layer(layer: Any, batch_norm: Any | None) -> None:
    kernel, *bias = layer.get_weights()
    if batch_norm is None:
        layer.set_weights([_half(kernel), *map(_half, bias)])
        return
    scale, shift = keras_graph.scale_and_shift(batch_norm)
    filters = keras_graph.by_filter(layer, kernel)
    settled = np.divide(_half(filters * scale), scale, out=filters.copy(), where=scale != 0)
    layer.set_weights([settled.reshape(kernel.shape), *bias])
    if batch_norm.center:
        folded = shift + (bias[0] * scale if bias else 0.0)
        batch_norm.beta.assign_add(_half(folded) - folded)


def _half(values: Weights) -> Weights:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float32)
    # What is too large for half precision stays: an fp16 artifact of it fails its check, the others need not.
    return np.where(np.isfinite(half), half, values)
