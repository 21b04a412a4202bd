"""Backbones: one module each, whose ``BACKBONE`` says how it is built, prepared and trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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
class Backbone:
    """An architecture with all that belongs to it.

    Attributes:
        name: as on the command line.
        build: the network behind the preprocessing.
        preprocess: raw pixels 0..255 to what the network expects, as layers of the given namespace.
        recipes: ``default`` is ours; ``report`` holds the source's own settings where there is one.
        source: paper or report that the architecture follows.
        head: names of the layers behind the pretrained part, which a frozen phase trains.
        pretrained: ``pretrained(keras, alpha, weights)`` gives a model holding weights for all
            layers before the head, in their order; ``weights`` is ``"imagenet"`` or a file's path.
            None for an architecture that is always trained from scratch.
        alphas: width multipliers that the architecture is defined for.
        minimum_size: smallest image side that the architecture accepts.
    """

    name: str
    build: Build
    preprocess: Callable[[Keras, Tensor], Tensor]
    recipes: Mapping[str, Recipe]
    source: str
    head: tuple[str, ...] = ()
    pretrained: Callable[[Keras, float, str], Model] | None = None
    alphas: tuple[float, ...] = (1.0,)
    minimum_size: int = 32
