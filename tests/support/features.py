"""Small networks, as a backbone would build them, and images that they can learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.data import Split
from edge_cifar.progress import SILENT, Progress
from edge_cifar.recipe import Recipe

CLASSES = 4


def residual_network(keras: Any, *, dropout: float = 0.0, seed: int = 0) -> Any:
    """Stem, a residual block, a convolution, pooling and a dense head; its batch norms have statistics to lose."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 255, name="preprocess_scale")(inputs)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem_conv")(x)
    x = layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(0.01), name="stem_bn")(x)
    shortcut = x
    x = layers.Conv2D(8, 3, padding="same", name="block1_conv")(x)
    x = layers.BatchNormalization(name="block1_bn")(x)
    x = layers.Add(name="block1_add")([shortcut, x])
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="block2_conv")(x)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    x = layers.Dense(CLASSES, activation="softmax", dtype="float32", name="head_probabilities")(x)
    return keras.Model(inputs, x, name="residual")


def splits(train: int = 150, validation: int = 40, *, noise: float = 60.0) -> tuple[Split, Split]:
    """Noisy pictures, each class a little lighter or darker in one colour."""
    random = np.random.default_rng(5)
    labels = random.integers(0, CLASSES, train + validation)
    images = random.normal(110, noise, (len(labels), 8, 8, 3))
    shifts = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    images += 15 * shifts[labels][:, None, None]
    both = Split(images=images.clip(0, 255).astype(np.uint8), labels=labels)
    return both.take(np.arange(train)), both.take(np.arange(train, train + validation))


class Said:
    """A progress that remembers what was said."""

    bar = staticmethod(SILENT.bar)

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def trained(
    model: Any,
    recipe: Recipe,
    folder: Path,
    *,
    data: tuple[Split, Split] | None = None,
    cache_bytes: float = 1e9,
    progress: Progress = SILENT,
) -> Any:
    """The state of a training that ran to its end."""
    from edge_cifar.training.checkpoint import State
    from edge_cifar.training.loop import Training

    train, validation = data or splits()
    state = State(settings={})
    Training(
        model,
        recipe,
        train,
        validation,
        seed=3,
        state=state,
        checkpoint=folder,
        feature_cache_bytes=cache_bytes,
        progress=progress,
    ).run()
    return state
