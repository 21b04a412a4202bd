"""Augmentation as Keras layers, so that it runs where the model runs; inactive outside training."""

from __future__ import annotations

from typing import Any

import keras

from edge_cifar.recipe import Augmentation


def augmentation_layers(augmentation: Augmentation, seed: int) -> list[Any]:
    """Layers that change raw pixels ``[batch, H, W, 3]`` at random.

    Args:
        augmentation: what to change, and how far.
        seed: each layer's generator is seeded from it.
    """
    layers = keras.layers
    made: list[Any] = []
    if augmentation.flip:
        made.append(layers.RandomFlip("horizontal", seed=seed))
    if augmentation.translation:
        # "nearest" moves whole pixels: a sub-pixel shift would also blur.
        side = augmentation.translation
        made.append(layers.RandomTranslation(side, side, fill_mode="reflect", interpolation="nearest", seed=seed + 1))
    if augmentation.rotation:
        made.append(layers.RandomRotation(augmentation.rotation / 360, fill_mode="reflect", seed=seed + 2))
    if augmentation.zoom:
        made.append(layers.RandomZoom(augmentation.zoom, fill_mode="reflect", seed=seed + 3))
    if augmentation.cutout:
        area = augmentation.cutout**2
        made.append(layers.RandomErasing(factor=1.0, scale=(area, area), fill_value=127.5, seed=seed + 4))
    return made
