"""What is fitted: a model behind layers that change its training images, and the targets where images are mixed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Model
from edge_cifar.recipe import Augmentation
from edge_cifar.training.augmentation import augmentation_layers, mixing_layers


class Learner(keras.Model):  # type: ignore[misc]
    """Shares its weights with the given model, so that what is validated, kept and saved is that model.

    Targets go in beside the images because mixing two images mixes their targets too. What every
    backend calls to compare, ``compute_loss`` and ``compute_metrics``, is then given the mixed ones.
    """

    def __init__(
        self,
        network: Model,
        augmentation: Augmentation,
        seed: int,
        class_weights: NDArray[np.float32] | None = None,
    ) -> None:
        """Wrap a network.

        Args:
            network: maps raw pixels to probabilities.
            augmentation: of the training images.
            seed: of the random layers.
            class_weights: float32 ``[classes]``, of each class in the loss; None for equal ones.
        """
        # The network's policy is what tells Keras to scale the loss in float16; pixels stay as they are.
        super().__init__(name="learner", dtype=network.dtype_policy, autocast=False)
        self.augmentation = augmentation_layers(augmentation, seed)
        self.mixing = mixing_layers(augmentation, seed)
        self.network = network
        self._class_weights = class_weights

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> tuple[Any, Any]:
        """Probabilities of the changed images, and the targets that they are held against."""
        images, targets = self.change(inputs["images"], inputs["targets"], training=training)
        return self.network(images, training=training), targets

    def change(self, images: Any, targets: Any, *, training: bool | None) -> tuple[Any, Any]:
        """Augmented images, and their targets, mixed where they are; both as they came outside training."""
        for layer in self.augmentation:
            images = layer(images, training=training)
        for layer in self.mixing:
            mixed = layer({"images": images, "labels": targets}, training=training)
            images, targets = mixed["images"], mixed["labels"]
        return images, targets

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The compiled loss, on the targets that came out beside the probabilities."""
        probabilities, targets = y_pred
        if self._class_weights is not None:
            # Of mixed images the mean of their classes' weights, by their shares.
            weights = keras.ops.sum(targets * keras.ops.convert_to_tensor(self._class_weights, targets.dtype), axis=-1)
            sample_weight = weights if sample_weight is None else sample_weight * weights
        return super().compute_loss(x, targets, probabilities, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The compiled metrics, likewise; on mixed targets accuracy is that of the larger part."""
        probabilities, targets = y_pred
        metrics: dict[str, Any] = super().compute_metrics(x, targets, probabilities, sample_weight)
        return metrics


def examples(images: NDArray[Any], targets: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """What a learner is fitted to: images ``[N, H, W, 3]`` and one-hot targets ``[N, classes]``."""
    return {"images": images, "targets": targets}
