"""Small Keras models as other people make them, whose right answers are known, and images for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_cifar import packages

# Five levels of brightness, 0..1: enough that a wrong range confuses some.
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
NAMES = ("black", "dark", "middling", "light", "white")


def grey_images(count: int = 200, size: tuple[int, int] = (8, 8), seed: int = 0) -> tuple[Any, Any]:
    """Images of one of five brightnesses with a little noise, uint8 ``[count, *size, 3]``, and their int64 labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(LEVELS)
    noise = generator.uniform(-0.04, 0.04, (count, *size, 3))
    levels = np.array(LEVELS)[labels][:, None, None, None] + noise
    return np.rint(255 * levels).astype(np.uint8), labels


def brightness(
    low: float = 0.0,
    high: float = 1.0,
    *,
    shape: tuple[int | None, ...] = (8, 8, 3),
    softmax: bool = True,
    before: tuple[Any, ...] = (),
) -> Any:
    """A Sequential model that is right about :func:`grey_images` given in ``low`` to ``high``, and in no other range.

    Args:
        low, high: what its last layer takes pixels 0 and 255 for.
        shape: of its input.
        softmax: whether it gives probabilities.
        before: layers that come first.
    """
    keras = packages.require_keras()
    layers = keras.layers
    scores = layers.Dense(len(LEVELS), activation="softmax" if softmax else None, name="scores")
    pooled = (
        (layers.Flatten(), layers.Dense(1, name="mean"))
        if len(shape) < 3
        else (layers.GlobalAveragePooling2D(), layers.Dense(1, name="mean"))
    )
    model = keras.Sequential([keras.Input(shape), *before, *pooled, scores], name="brightness")
    kernel, bias = model.get_layer("mean").get_weights()
    model.get_layer("mean").set_weights([np.full_like(kernel, 1 / kernel.size), bias])
    # Scores of Gaussians of equal width about the levels: quadratic terms cancel in the softmax.
    means = low + (high - low) * np.array(LEVELS)
    sharpness = 400 / (high - low) ** 2
    scores.set_weights([sharpness * means[None, :], -sharpness * means**2 / 2])
    return model


def sequential(classes: int = 10) -> Any:
    """What most tutorials make: convolutions, batch normalization, pooling, dropout; untrained."""
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def folder_of(images: NDArray[np.uint8], labels: NDArray[np.int64], folder: Path, names: tuple[str, ...]) -> Path:
    """The images as PNG files, a folder for each class."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    return folder
