"""In which input range a model file made elsewhere classifies labelled images best, where it does not say which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import input_ranges
from edge_cifar.bench.case import Case
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation import scores
from edge_cifar.evaluation.metrics import accuracy
from edge_cifar.evaluation.paired import paired_drop
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.storage import archives

DOUBTED = "another input range gives better accuracy"

# Enough to tell a range in which a network works from one in which it guesses; fewer of a slow network.
_MOST_IMAGES, _FEWEST_IMAGES = 200, 30
_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of trying the common input ranges.

    Attributes:
        best: the range that is clearly the best, so that it is taken; None where none is, or another was told.
        note: what was found, for people.
        doubted: whether another range does clearly better than the one that is used.
    """

    best: Preprocessing | None
    note: str
    doubted: bool


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A range, and the answers in it: float32 ``[N, classes]``, probabilities."""

    name: str
    preprocessing: Preprocessing
    answers: Probabilities


def try_ranges(case: Case, evaluation_set: EvaluationSet, ask: Callable[..., Any], folder: Path) -> Trial:
    """Show some labelled images to a file in the range that it was loaded with and in the other common ones.

    A range is taken only where nothing says which one is right, and where it is clearly the best: better than chance,
    and significantly better than every other on the same images.

    Args:
        case: where the file's worker is.
        evaluation_set: the images.
        ask: one request to that worker. Its file is loaded anew for each range, and at the end as it was.
        folder: for files that the worker reads and writes.
    """
    images = evaluation_set.images
    chosen = balanced_indices(evaluation_set.labels, _count(case), seed=0)
    labels, file = evaluation_set.labels[chosen], folder / "some-images.npy"
    np.save(file, images[chosen], allow_pickle=False)
    told = case.subject.options.preprocessing
    used = input_ranges.InputRange(name=input_ranges.name_of(case.preprocessing), preprocessing=case.preprocessing)
    attempts = []
    for one in (used, *input_ranges.others(case.preprocessing, told.channels)):
        tried = one.preprocessing.over(replace(told, input_range=None, mean=None, std=None))
        setup = replace(case.setup(), preprocessing=tried, ground="tried")
        ask("load", path=str(case.subject.path), threads=case.threads, setup=setup.to_json())
        ask("predict", images=str(file), start=0, stop=len(labels), answers=str(folder / "some-answers.npy"))
        answers = np.array(archives.mapped(folder / "some-answers.npy"))
        if scores.are_numbers(answers):
            probabilities = evaluation_set.in_order(scores.as_probabilities(answers)[0], case.labels)
            attempts.append(_Attempt(name=one.name, preprocessing=tried, answers=probabilities))
    ask("load", path=str(case.subject.path), threads=case.threads, setup=case.setup().to_json())
    return _verdict(attempts, used.name, labels, may_take=case.input["ground"] == "assumed")


def _verdict(attempts: list[_Attempt], used: str, labels: Any, *, may_take: bool) -> Trial:
    ranked = sorted(attempts, key=lambda one: accuracy(labels, one.answers).value, reverse=True)
    current = next((one for one in ranked if one.name == used), None)
    if not ranked or current is None:
        return Trial(best=None, note="", doubted=False)
    best, *rest = ranked
    top1 = accuracy(labels, best.answers)
    images = f"top-1 on {len(labels)} images is {top1.value:.1%}"
    clear = top1.low > 1 / best.answers.shape[1] and all(_clearly_better(labels, best, other) for other in rest)
    second = (
        f"next best: {accuracy(labels, rest[0].answers).value:.1%} in {rest[0].name}" if rest else "no other worked"
    )
    if may_take and clear:
        note = f"input range {best.name} found by trial: {images} ({second})"
        return Trial(best=best.preprocessing, note=note, doubted=False)
    if best is not current and _clearly_better(labels, best, current):
        instead = f"instead of {accuracy(labels, current.answers).value:.1%} ({second})"
        note = f"with pixels in {best.name}, {images} {instead}; try {best.preprocessing.options}"
        return Trial(best=None, note=note, doubted=True)
    return Trial(best=None, note="", doubted=False)


def _clearly_better(labels: Any, one: _Attempt, other: _Attempt) -> bool:
    """Whether accuracy in one range is significantly higher, at 95 %, on the same images."""
    return paired_drop(labels, one.answers, other.answers).low > 0


def _count(case: Case) -> int:
    """How many images to try, so that a slow network takes a few seconds for each range."""
    typical_ms = float(np.median(case.windows_ns[-1])) / 1e6 / max(case.batch, 1)
    return int(min(_MOST_IMAGES, max(_FEWEST_IMAGES, _SECONDS * 1e3 / typical_ms)))
