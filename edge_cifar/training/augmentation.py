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
    if keras.backend.backend() == "jax":
        for layer in made:
            # Keras 3.15 marks the geometric ones on every backend for what TensorFlow's XLA lacks, and one of
            # them would leave the whole step uncompiled.
            layer.supports_jit = True
    return made


def mixing_layers(augmentation: Augmentation, seed: int) -> list[Any]:
    """Layers that mix the images of a batch with one another, and their targets alike.

    Each maps ``{"images": [batch, H, W, 3], "labels": [batch, classes]}`` to the same.

    Args:
        augmentation: whether to mix, and how: mixup as Zhang et al. 2017 (arXiv:1710.09412), cutmix
            as Yun et al. 2019 (arXiv:1905.04899).
        seed: each layer's generator is seeded from it.
    """
    made: list[Any] = []
    if augmentation.mixup:
        made.append(keras.layers.MixUp(augmentation.mixup, seed=seed + 5))
    if augmentation.cutmix:
        # Keras draws the parameter of its Beta distribution from the range of the factor; the paper's is 1.
        made.append(keras.layers.CutMix((1.0, 1.0), seed=seed + 6))
    return made
