"""In which input range a model made elsewhere classifies labelled images best, where nothing says which it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation.metrics import wilson
from edge_cifar.input_ranges import name_of
from edge_cifar.preprocessing import Preprocessing

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
Ask = Callable[[Preprocessing, NDArray[np.int64]], Probabilities]
"""Gives a model's answers ``[N, classes]`` with some preprocessing, for images that are told by their numbers."""

# More images are asked for while the best of the ranges is not clear.
_ROUNDS = (100, 200, 400, 800)
# By chance a wrong range does that much better in one of a hundred trials.
_CHANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the ranges tried are worth.

    Attributes:
        best: the one that is clearly the best; None where none is.
        better: the one with the highest accuracy, where it is clearly better than the first one tried; else None.
        accuracies: top-1 accuracy in 0..1 of each range tried, the highest first.
        images: how many labelled images were asked for.
    """

    best: Preprocessing | None
    better: Preprocessing | None
    accuracies: tuple[tuple[Preprocessing, float], ...]
    images: int

    @property
    def told(self) -> str:
        """The accuracies, for people."""
        shown = (f"{name_of(one)} {accuracy:.1%}" for one, accuracy in self.accuracies)
        return f"top-1 on {self.images} labelled images: {', '.join(shown)}"


def trial(tried: Sequence[Preprocessing], ask: Ask, labels: Labels, *, most: int = _ROUNDS[-1]) -> Trial:
    """Let a model classify labelled images in each of several ranges.

    One is clearly the best where accuracy in it is better than that of calling every image the most frequent class, and
    significantly better than in each of the others on the same images.

    Args:
        tried: the ranges; the one in use first.
        ask: the model.
        labels: true classes of images that nothing else is judged by.
        most: how many images are asked for at most, class-balanced.
    """
    for count in _ROUNDS:
        numbers = balanced_indices(labels, min(count, most), seed=0)
        truth = labels[numbers]
        right = [ask(one, numbers).argmax(axis=1) == truth for one in tried]
        ranked = sorted(range(len(tried)), key=lambda number: -float(right[number].mean()))
        clear = _is_clear([right[number] for number in ranked], truth)
        if clear or count >= min(len(labels), most):
            break
    first = ranked[0]
    return Trial(
        best=tried[first] if clear else None,
        better=tried[first] if first and _sign_test(right[first], right[0]) < _CHANCE else None,
        accuracies=tuple((tried[number], float(right[number].mean())) for number in ranked),
        images=len(truth),
    )


def _is_clear(ranked: Sequence[NDArray[np.bool_]], truth: Labels) -> bool:
    best, *others = ranked
    if wilson(int(best.sum()), len(best)).low <= np.bincount(truth).max() / len(truth):
        return False
    return all(_sign_test(best, other) < _CHANCE for other in others)


def _sign_test(best: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """How likely one of two equally good ranges does that much better on the images that they disagree about.

    Source: W. J. Dixon and A. M. Mood, "The Statistical Sign Test", 1946.
    """
    won, lost = int((best & ~other).sum()), int((other & ~best).sum())
    as_good = sum(math.comb(won + lost, more) for more in range(won, won + lost + 1))
    return float(as_good / 2 ** (won + lost))
