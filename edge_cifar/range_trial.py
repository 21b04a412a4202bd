"""In which input range a model made elsewhere classifies labelled images best, where nothing says which it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation.class_order import other_order
from edge_cifar.evaluation.metrics import majority_share, wilson
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
        guessing: the accuracy of calling every image the most frequent class.
        reordered: a range that classifies as well as the best if the model's classes are in another order than the
            data's; None where none does.
        order: that order: the data's class that each output stands for.
    """

    best: Preprocessing | None
    better: Preprocessing | None
    accuracies: tuple[tuple[Preprocessing, float], ...]
    images: int
    guessing: float
    reordered: Preprocessing | None = None
    order: tuple[int, ...] = ()

    @property
    def told(self) -> str:
        """The accuracies, for people."""
        shown = (f"{name_of(one)} {accuracy:.1%}" for one, accuracy in self.accuracies)
        return f"top-1 on {self.images} labelled images: {', '.join(shown)}"


def trial(tried: Sequence[Preprocessing], ask: Ask, labels: Labels, *, most: int = _ROUNDS[-1]) -> Trial:
    """Let a model classify labelled images in each of several ranges.

    One is clearly the best where accuracy in it is better than that of calling every image the most frequent class, and
    significantly better than in each of the others on the same images. None is where that is BGR and the model tells
    the classes apart as well in RGB, but in another order: either the classes or the channels are swapped.

    Args:
        tried: the ranges; the one in use first.
        ask: the model.
        labels: true classes of images that nothing else is judged by.
        most: how many images are asked for at most, class-balanced.
    """
    for count in _ROUNDS:
        numbers = balanced_indices(labels, min(count, most), seed=0)
        truth = labels[numbers]
        answers = [ask(one, numbers) for one in tried]
        predicted = [one.argmax(axis=1) for one in answers]
        right = [one == truth for one in predicted]
        ranked = sorted(range(len(tried)), key=lambda number: -float(right[number].mean()))
        swapped = _reordered(predicted, truth, answers[0].shape[1], right[ranked[0]])
        doubtful = swapped is not None and _backwards(tried[ranked[0]]) and not _backwards(tried[swapped[0]])
        clear = not doubtful and _is_clear([right[number] for number in ranked], truth)
        if clear or count >= min(len(labels), most):
            break
    first = ranked[0]
    better = first > 0 and not doubtful and _sign_test(right[first], right[0]) < _CHANCE
    return Trial(
        best=tried[first] if clear else None,
        better=tried[first] if better else None,
        accuracies=tuple((tried[number], float(right[number].mean())) for number in ranked),
        images=len(truth),
        guessing=majority_share(truth),
        reordered=None if swapped is None else tried[swapped[0]],
        order=() if swapped is None else swapped[1],
    )


def _backwards(preprocessing: Preprocessing) -> bool:
    return preprocessing.channels == "bgr"


def _reordered(
    predicted: Sequence[NDArray[np.int64]], truth: Labels, classes: int, best: NDArray[np.bool_]
) -> tuple[int, tuple[int, ...]] | None:
    """The range that does best with the classes in another order, and that order, if it does as well as ``best``."""
    found: list[tuple[float, int, tuple[int, ...]]] = []
    for number, outputs in enumerate(predicted):
        if order := other_order(truth, outputs, classes):
            right = np.array(order)[outputs] == truth
            if _sign_test(best, right) >= _CHANCE:
                found.append((float(right.mean()), -number, tuple(order)))
    if not found:
        return None
    _, number, best_order = max(found)
    return -number, best_order


def _is_clear(ranked: Sequence[NDArray[np.bool_]], truth: Labels) -> bool:
    best, *others = ranked
    if wilson(int(best.sum()), len(best)).low <= majority_share(truth):
        return False
    return all(_sign_test(best, other) < _CHANCE for other in others)


def _sign_test(best: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """How likely one of two equally good ranges does that much better on the images that they disagree about.

    Source: W. J. Dixon and A. M. Mood, "The Statistical Sign Test", 1946.
    """
    won, lost = int((best & ~other).sum()), int((other & ~best).sum())
    as_good = sum(math.comb(won + lost, more) for more in range(won, won + lost + 1))
    return float(as_good / 2 ** (won + lost))
