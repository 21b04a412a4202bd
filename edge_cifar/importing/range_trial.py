"""Which of the usual ranges a model was trained on: the one that clearly classifies labelled images best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation.metrics import wilson
from edge_cifar.preprocessing import Channels, Preprocessing

Scores = NDArray[np.float32]

# Mean of ImageNet's training images in the order blue, green, red, which Caffe's networks, and VGG16 and ResNet50 of
# Keras, subtract; and torchvision's mean and standard deviation of red, green and blue in 0..1.
_CAFFE = Preprocessing(mean=(103.939, 116.779, 123.68), channels="bgr")
_IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_RANGES = tuple(Preprocessing(input_range=one) for one in ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)))
# More images are asked for while the best of the ranges is not clear.
_ROUNDS = (100, 200, 400, 800)
# By chance a wrong range does that much better in one of a hundred trials.
_CHANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the ranges tried are worth.

    Attributes:
        best: the one that is clearly best; None where none is.
        accuracies: top-1 accuracy in 0..1 of each range tried, the best first.
        images: how many labelled images were asked for.
    """

    best: Preprocessing | None
    accuracies: tuple[tuple[Preprocessing, float], ...]
    images: int

    @property
    def told(self) -> str:
        """The accuracies, for people."""
        shown = (f"{name(one)} {accuracy:.1%}" for one, accuracy in self.accuracies)
        return f"top-1 on {self.images} labelled images: {', '.join(shown)}"


def name(preprocessing: Preprocessing) -> str:
    """What a range is called."""
    if preprocessing.mean == _CAFFE.mean:
        return "ImageNet mean subtracted, BGR (Caffe)"
    if preprocessing.mean == _IMAGENET.mean:
        return "ImageNet mean and standard deviation"
    return preprocessing.words


def candidates(depth: int, channels: Channels | None) -> tuple[Preprocessing, ...]:
    """The usual ranges for a network of so many channels, their order being told or not."""
    if depth == 1:
        return _RANGES
    return (*_RANGES, _IMAGENET) if channels == "rgb" else (*_RANGES, _IMAGENET, _CAFFE)


def trial(tried: Sequence[Preprocessing], ask: Callable[[Preprocessing, Split], Scores], images: Split) -> Trial:
    """Let a model classify labelled images in each of several ranges.

    Args:
        tried: the ranges.
        ask: the model's scores ``[N, classes]`` for images in a range.
        images: labelled images that nothing else is judged by.
    """
    right: dict[int, NDArray[np.bool_]] = {}
    for count in _ROUNDS:
        some = images.take(balanced_indices(images.labels, count, seed=0))
        right = {number: ask(one, some).argmax(axis=1) == some.labels for number, one in enumerate(tried)}
        ranked = sorted(right, key=lambda number: -right[number].mean())
        if _is_clear(right, ranked, some) or count >= len(images):
            break
    ranked = sorted(right, key=lambda number: -right[number].mean())
    clear = _is_clear(right, ranked, some)
    return Trial(
        best=tried[ranked[0]] if clear else None,
        accuracies=tuple((tried[number], float(right[number].mean())) for number in ranked),
        images=len(some),
    )


def _is_clear(right: dict[int, NDArray[np.bool_]], ranked: Sequence[int], images: Split) -> bool:
    best, *others = (right[number] for number in ranked)
    shares = np.bincount(images.labels) / len(images)
    # No better than to call every image the most frequent class.
    if wilson(int(best.sum()), len(best)).low <= shares.max():
        return False
    return all(_sign_test(best, other) < _CHANCE for other in others)


def _sign_test(best: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """How likely one of two equally good ranges does that much better on the images that they disagree about.

    Source: W. J. Dixon and A. M. Mood, "The Statistical Sign Test", 1946.
    """
    won, lost = int((best & ~other).sum()), int((other & ~best).sum())
    as_good = sum(math.comb(won + lost, more) for more in range(won, won + lost + 1))
    return float(as_good / 2 ** (won + lost))
