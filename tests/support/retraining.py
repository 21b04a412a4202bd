"""Requests to train a backbone's weights again: narrow, on few images, in two steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import backbones
from edge_cifar.backbones import Retraining
from edge_cifar.compression.exchange import Images, Network, Request
from support.backbones import CLASSES, built, scatter_weights

IMAGES = 64


def pictures(size: int, count: int, seed: int) -> NDArray[np.uint8]:
    """Coarse random images uint8 ``[count, size, size, 3]``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    repeats = -(-size // 4)
    return coarse.repeat(repeats, axis=1).repeat(repeats, axis=2)[:, :size, :size]


def model(name: str) -> Any:
    """A backbone's narrowest Keras 3 model with random weights, its batch norms ones that matter."""
    made = built(name)
    scatter_weights(made)
    return made


def request(name: str, kind: str, amount: int = 0, *, images: int = IMAGES, epochs: float = 1.0) -> Request:
    """A request for the model of :func:`model`."""
    keras_model = model(name)
    backbone = backbones.get(name)
    size = keras_model.input_shape[1]
    return Request(
        kind=kind,
        amount=amount,
        recipe=Retraining(epochs=epochs, learning_rate=1e-4, batch_size=32),
        seed=0,
        network=Network(
            backbone=name,
            alpha=backbone.alphas[0],
            image_size=size,
            input_shape=(size, size, 3),
            classes=CLASSES,
        ),
        weights=keras_model.get_weights(),
        images=Images(
            # Without white and black: what a byte means must not follow from what happens to be seen.
            train=pictures(size, images, 0).clip(20, 200),
            calibration=pictures(size, 50, 1),
            validation=pictures(size, 50, 2),
            validation_labels=np.arange(50) % CLASSES,
            flip=True,
            translation=0.125,
        ),
    )


def kernels(weights: Any) -> list[NDArray[np.float32]]:
    """Of all weights, those that are pruned and clustered: kernels of convolutions and dense layers."""
    return [array for array in weights if array.ndim in (2, 4) and array.shape[-1] > 1]
