"""Backbones built small, each once for all test modules that look at it, and images that leave them no doubt."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import backbones
from edge_cifar.data import Split
from edge_cifar.documents.run import Run

CLASSES = 10

COLOURS = np.array(
    [
        *((0, 0, 0), (190, 0, 0), (0, 190, 0), (0, 0, 190), (190, 190, 0)),
        *((190, 0, 190), (0, 190, 190), (190, 190, 190), (95, 95, 95), (190, 95, 0)),
    ],
    np.uint8,
)

# Together they have every kind of layer that any backbone has, for tests that cost too much for all.
WITH_EVERY_LAYER = ("inceptionv3", "mobilenetv2", "mobilenetv3small", "resnet8", "vgg16")

# Building these takes seconds each, in tf_keras as in Keras.
HEAVY = frozenset({"inceptionv3", "resnet50"})


def build(keras: Any, name: str, *, alpha: float | None = None, weights: str = "none") -> Any:
    """A backbone's model at its narrowest width and smallest image, which the network sees unresized."""
    from edge_cifar.training.assembly import build_model

    backbone = backbones.get(name)
    size = max(32, backbone.minimum_size)
    return build_model(
        keras,
        backbone,
        input_shape=(size, size, 3),
        classes=CLASSES,
        image_size=size,
        alpha=backbone.alphas[0] if alpha is None else alpha,
        weights=weights,
    )


@cache
def built(name: str, alpha: float | None = None) -> Any:
    """The model of :func:`build` under Keras 3. Read it, do not train it."""
    import keras

    return build(keras, name, alpha=alpha)


def pixels(size: int, count: int = 4) -> NDArray[np.uint8]:
    """Random images uint8 ``[count, size, size, 3]``, the same every time."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def scatter_weights(model: Any) -> None:
    """Give every weight a random value, variances positive ones, so that any two that are swapped show."""
    generator = np.random.default_rng(1)
    for layer in model.layers:
        scattered = []
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if len(shape) > 1:
                # Keeps the scale of the activations, whatever the depth.
                fan_in = np.prod(shape[:-1]) if "depthwise" not in type(layer).__name__.lower() else shape[0] ** 2
                scattered.append(generator.normal(0, np.sqrt(2 / fan_in), shape))
            elif weight.name.endswith(("variance", "gamma")):
                scattered.append(generator.uniform(0.5, 1.5, shape))
            else:
                scattered.append(generator.normal(0, 0.1, shape))
        layer.set_weights(scattered)


def trained(name: str, *, alpha: float, image_size: int, epochs: int, out: Path) -> Run:
    """A backbone trained from scratch on 300 synthetic images, its frozen phases left out."""
    from edge_cifar.steps.train import train

    phases = backbones.get(name).recipe("default", from_scratch=True).phases
    return train(
        name,
        data="synthetic",
        limit=300,
        weights="none",
        alpha=alpha,
        image_size=image_size,
        epochs=[0] * (len(phases) - 1) + [epochs],
        batch_size=16,
        mixed_precision="off",
        out=out,
    )


def coloured(count: int, generator: np.random.Generator) -> Split:
    """Noise in ten colours, one a class.

    So easy that a network is sure of every image after a few steps: one that is not changes its mind with any rounding.
    """
    labels = np.arange(count) % len(COLOURS)
    noise = generator.integers(0, 60, (count, 32, 32, 3), dtype=np.uint8)
    return Split(images=noise + COLOURS[labels][:, np.newaxis, np.newaxis], labels=labels)
