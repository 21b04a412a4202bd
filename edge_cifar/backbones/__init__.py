"""Backbones: one module each, whose ``BACKBONE`` says how it is built, prepared and trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge_cifar.errors import unknown
from edge_cifar.plugins import Registry
from edge_cifar.recipe import Recipe

# Keras carries no types: `keras` is the namespace of Keras 3 or of tf_keras, tensors and models are Any.
Keras = Any
Tensor = Any
Model = Any


class Build(Protocol):
    """How an architecture is written down, once for Keras 3 and tf_keras."""

    def __call__(self, keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
        """The network from preprocessed images to class probabilities.

        Args:
            keras: the namespace to build with.
            inputs: float ``[batch, H, W, 3]``, after :attr:`Backbone.preprocess`.
            classes: number of classes.
            alpha: width multiplier; 1.0 where the architecture has none.

        Returns:
            float ``[batch, classes]``, softmax probabilities.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """How a trained network learns to live with rounding, zeros or few values.

    Attributes:
        epochs: passes over the training images; a fraction takes a part of them.
        learning_rate: first rate; it falls to zero along a cosine.
        batch_size: images a step.
    """

    epochs: float
    learning_rate: float
    batch_size: int = 64


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """An architecture with all that belongs to it.

    Attributes:
        name: as on the command line.
        build: the network behind the preprocessing.
        preprocess: raw pixels 0..255 to what the network expects, as layers of the given namespace.
        recipes: ``default`` is ours; ``report`` holds the source's own settings where there is one;
            ``scratch`` takes the place of ``default`` where a pretrained backbone starts without weights.
        source: paper or report that the architecture follows.
        parameters: all weights, moving statistics included, for ten classes and a width multiplier of 1.
        multiply_adds: MACs of such a network for one image at the size of the default recipe, counted as in
            :mod:`edge_cifar.training.complexity`. Both are written down so that listing them builds nothing;
            a test compares them with the built network.
        pretrained: ``pretrained(keras, alpha, weights)`` gives a model holding weights for all
            layers before the head, in their order; ``weights`` is ``"imagenet"`` or a file's path.
            None for an architecture that is always trained from scratch.
        alphas: width multipliers that the architecture is defined for.
        minimum_size: smallest image side that the architecture accepts.
        qat: how it is trained again for 8 bits when it is exported so.
        sparsity: the same for weights of which many become zero, or all take few values: more is lost
            at first than by rounding, so it takes more and faster steps.
    """

    name: str
    build: Build
    preprocess: Callable[[Keras, Tensor], Tensor]
    recipes: Mapping[str, Recipe]
    source: str
    parameters: int
    multiply_adds: int
    pretrained: Callable[[Keras, float, str], Model] | None = None
    alphas: tuple[float, ...] = (1.0,)
    minimum_size: int = 32
    qat: Retraining = Retraining(epochs=2.0, learning_rate=1e-4)
    sparsity: Retraining = Retraining(epochs=4.0, learning_rate=1e-3)

    def recipe(self, name: str, *, from_scratch: bool) -> Recipe:
        """The recipe called ``name``, fit for a start with or without weights.

        Raises:
            UsageError: there is no such recipe.
        """
        if name not in self.recipes:
            raise unknown(f"recipe for {self.name}", name, self.recipes)
        if name == "default" and from_scratch and "scratch" in self.recipes:
            return self.recipes["scratch"]
        return self.recipes[name]


_REGISTRY = Registry("edge_cifar.backbones", "backbone", "BACKBONE", Backbone)


def names() -> tuple[str, ...]:
    """Names of all backbones, by file."""
    return _REGISTRY.names()


def get(name: str) -> Backbone:
    """The backbone called ``name``.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    return _REGISTRY.get(name)
