"""Batch-norm statistics: their momentum while training, and their re-estimation afterwards.

After a short fine-tuning the moving averages of an architecture with a slow momentum (0.999 in
Keras' MobileNetV2) still describe the weights of many steps ago. Computing them anew on training
images, weights untouched, gave that network two points of accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from edge_cifar.backbones import Model
from edge_cifar.data.mapped_images import Images

IMAGES = 10_000
BATCH_SIZE = 100


def trained_batch_norms(model: Model) -> list[Any]:
    """Batch normalizations that learn; frozen ones run in inference mode and keep their statistics."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]


def set_momentum(model: Model, momentum: float | None) -> None:
    """Set the momentum of every batch normalization; None leaves the architecture's own."""
    if momentum is None:
        return
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def reestimate(
    model: Model,
    images: Images,
    *,
    score: Callable[[], float],
) -> bool | None:
    """Replace moving statistics by the mean of batch statistics over training images, if that does not hurt.

    Args:
        model: with some trained batch normalizations; changed in place.
        images: uint8 ``[N, H, W, 3]``; the first 10,000 are used, without augmentation.
        score: validation accuracy of the model as it stands.

    Returns:
        Whether the new statistics were kept; None where the model trains no batch normalization, or the
        images make no whole batch.
    """
    layers = trained_batch_norms(model)
    if not layers or len(images) < BATCH_SIZE:
        return None
    before = [layer.get_weights() for layer in layers]
    score_before = score()
    totals = [np.zeros((2, len(weights[-1])), np.float64) for weights in before]
    batches = range(0, min(len(images), IMAGES) - BATCH_SIZE + 1, BATCH_SIZE)
    with _showing_batch_statistics(model, layers):
        for start in batches:
            model(images[start : start + BATCH_SIZE].astype(np.float32), training=True)
            for layer, total in zip(layers, totals, strict=True):
                total += np.stack(layer.get_weights()[-2:])
    for layer, weights, total in zip(layers, before, totals, strict=True):
        mean, variance = (total / len(batches)).astype(np.float32)
        layer.set_weights([*weights[:-2], mean, variance])
    if score() >= score_before:
        return True
    for layer, weights in zip(layers, before, strict=True):
        layer.set_weights(weights)
    return False


@contextmanager
def _showing_batch_statistics(model: Model, layers: list[Any]) -> Iterator[None]:
    """Momentum 0 makes the moving statistics those of the last batch; dropout off, as in inference."""
    momenta = [layer.momentum for layer in layers]
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    rates = [layer.rate for layer in dropouts]
    try:
        for layer in layers:
            layer.momentum = 0.0
        for layer in dropouts:
            layer.rate = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate
