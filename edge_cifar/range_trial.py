"""In which input range a model made elsewhere classifies labelled images best, where nothing says which it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import input_ranges
from edge_cifar.evaluation.metrics import accuracy
from edge_cifar.evaluation.paired import paired_drop
from edge_cifar.preprocessing import Preprocessing

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]

MOST_IMAGES = 200
"""Enough to tell a range in which a network works from one in which it guesses."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of trying the common input ranges.

    Attributes:
        best: the preprocessing in the range that is clearly the best, so that it is taken; None where none is taken.
        note: what was found, for people; empty where nothing speaks against the range in use.
        doubted: whether another range does clearly better than the one in use.
    """

    best: Preprocessing | None = None
    note: str = ""
    doubted: bool = False


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A range, and the probabilities in it: float32 ``[N, classes]``."""

    name: str
    preprocessing: Preprocessing
    answers: Probabilities


def try_ranges(
    used: Preprocessing,
    told: Preprocessing,
    labels: Labels,
    answers: Callable[[Preprocessing], Probabilities | None],
    *,
    may_take: bool,
) -> Trial:
    """Compare the range in use with the other common ones, on the same labelled images.

    A range is taken only where it is clearly the best: accuracy in it is better than chance, and significantly better
    than in each of the others.

    Args:
        used: how pixels are given.
        told: what a user says of that; its channels and layout stay.
        labels: ``[N]``, true classes of the images.
        answers: gives the model's probabilities for the images with some preprocessing; None where it has none.
        may_take: whether a range may be taken; where one was told, it is only doubted.
    """
    attempts = []
    name = input_ranges.name_of(used)
    ranges = (input_ranges.InputRange(name=name, preprocessing=used), *input_ranges.others(used, told.channels))
    for one in ranges:
        preprocessing = one.preprocessing.over(replace(told, input_range=None, mean=None, std=None))
        if (found := answers(preprocessing)) is not None:
            attempts.append(_Attempt(name=one.name, preprocessing=preprocessing, answers=found))
    return _verdict(attempts, name, labels, may_take=may_take)


def _verdict(attempts: Sequence[_Attempt], used: str, labels: Labels, *, may_take: bool) -> Trial:
    ranked = sorted(attempts, key=lambda one: accuracy(labels, one.answers).value, reverse=True)
    current = next((one for one in ranked if one.name == used), None)
    if current is None:
        return Trial()
    best, *rest = ranked
    top1 = accuracy(labels, best.answers)
    images = f"top-1 on {len(labels)} images is {top1.value:.1%}"
    second = (
        f"next best: {accuracy(labels, rest[0].answers).value:.1%} in {rest[0].name}" if rest else "no other worked"
    )
    clear = top1.low > 1 / best.answers.shape[1] and all(_clearly_better(labels, best, other) for other in rest)
    if may_take and clear:
        return Trial(best=best.preprocessing, note=f"input range {best.name} found by trial: {images} ({second})")
    if best is not current and _clearly_better(labels, best, current):
        instead = f"instead of {accuracy(labels, current.answers).value:.1%} ({second})"
        note = f"with pixels in {best.name}, {images} {instead}; try {best.preprocessing.options}"
        return Trial(note=note, doubted=True)
    return Trial()


def _clearly_better(labels: Labels, one: _Attempt, other: _Attempt) -> bool:
    """Whether accuracy in one range is significantly higher, at 95 %, on the same images."""
    return paired_drop(labels, one.answers, other.answers).low > 0
