"""Correct and wrong predictions side by side: the same test images with each run's prediction."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_cifar.data import Split
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.predictions import Predictions
from edge_cifar.errors import RunError
from edge_cifar.report.trained import Trained

COUNT = 12
# Larger images are shrunk to this, the size at which they are shown.
_LARGEST_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One run's prediction for one image: a class, with its probability in 0..1."""

    run: str
    label: str
    confidence: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test image: a PNG in base64, its true class, and the prediction of each run."""

    png: str
    label: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples for the runs that were tested on the same images.

    Attributes:
        data: the images' data set.
        summary: a sentence on how many images the runs classify correctly.
        rows: the examples; empty if the images are not available.
        missing: why there are none, with a remedy; None if there are some.
    """

    data: DataSource
    summary: str
    rows: tuple[Example, ...] = ()
    missing: str | None = None


def comparable(runs: Sequence[Trained]) -> list[list[Trained]]:
    """The runs with stored predictions, grouped by the images they were tested on."""
    kept = [run for run in runs if run.predictions is not None]
    groups: dict[tuple[str | None, bytes], list[Trained]] = {}
    for run in kept:
        groups.setdefault((run.data.checksum, answers(run).labels.tobytes()), []).append(run)
    return list(groups.values())


def without_images(runs: Sequence[Trained], reason: str) -> Examples:
    """The summary of a group of :func:`comparable` runs whose images are not available."""
    return Examples(data=runs[0].data, summary=_summary(runs), missing=reason)


def with_images(runs: Sequence[Trained], test: Split, names: Sequence[str]) -> Examples:
    """Examples for a group of :func:`comparable` runs.

    Args:
        runs: at least one.
        test: the images they were tested on.
        names: class names.

    Raises:
        RunError: the runs were tested on other images.
    """
    said = [answers(run) for run in runs]
    if not np.array_equal(said[0].labels, test.labels) or max(one.predicted.max() for one in said) >= len(names):
        raise RunError(f"{runs[0].run.predictions_path} does not match the test images; train again, or delete it")
    rows = tuple(
        Example(
            png=png(test.images[index]),
            label=names[test.labels[index]],
            answers=tuple(
                Answer(
                    run=run.name,
                    label=names[one.predicted[index]],
                    confidence=float(one.confidence[index]),
                    right=bool(one.right[index]),
                )
                for run, one in zip(runs, said, strict=True)
            ),
        )
        for index in choose(said)
    )
    return Examples(data=runs[0].data, summary=_summary(runs), rows=rows)


def choose(said: Sequence[Predictions], count: int = COUNT) -> list[int]:
    """Which images to show: those that distinguish the runs.

    Images are grouped by which of the runs are correct. With several runs, the groups in which some are correct and
    some wrong take turns, the most frequent first; images on which all are correct or all wrong fill the rest. With
    one run, correct and wrong take turns. Within a group, the most confident prediction of each class comes first.

    Args:
        said: the predictions of each run, for the same images.
        count: the largest number to show.

    Returns:
        Positions in the test set, group by group.
    """
    right = np.stack([one.right for one in said], axis=1).tolist()
    sure = np.mean([one.confidence for one in said], axis=0)
    sorts: dict[tuple[bool, ...], dict[int, list[int]]] = {}
    for index in np.argsort(-sure, kind="stable").tolist():
        by_class = sorts.setdefault(tuple(right[index]), {})
        by_class.setdefault(int(said[0].labels[index]), []).append(index)
    queues = {sort: _in_turn(by_class.values(), len(right)) for sort, by_class in sorts.items()}
    frequent = sorted(queues, key=lambda sort: (-len(queues[sort]), sort))
    chosen: list[int] = []
    for differ in (True, False):
        chosen += _in_turn([queues[sort] for sort in frequent if (len(set(sort)) > 1) == differ], count - len(chosen))
    return sorted(chosen, key=lambda index: ([not one for one in right[index]], chosen.index(index)))


def answers(run: Trained) -> Predictions:
    """The predictions of a run that stores them."""
    assert run.predictions is not None
    return run.predictions


def _in_turn(queues: Iterable[Sequence[int]], count: int) -> list[int]:
    """The first of each queue, then the second of each, until there are ``count``."""
    rounds = zip_longest(*queues)
    return [index for one in rounds for index in one if index is not None][:count]


def _summary(runs: Sequence[Trained]) -> str:
    right = np.stack([answers(run).right for run in runs])
    images = right.shape[1]
    if len(runs) == 1:
        return f"{runs[0].name} classifies {int(right.sum()):,} of {images:,} test images correctly."
    together, never = int(right.all(axis=0).sum()), int((~right.any(axis=0)).sum())
    names = f"{', '.join(run.name for run in runs[:-1])} and {runs[-1].name}"
    all_ = "both" if len(runs) == 2 else "all"
    return (
        f"{names} {all_} classify {together:,} of {images:,} test images correctly and {never:,} incorrectly; "
        f"on the other {images - together - never:,} they differ."
    )


def png(image: NDArray[np.uint8]) -> str:
    """An image as a PNG in base64, shrunk to the size at which it is shown."""
    picture = Image.fromarray(image)
    if max(picture.size) > _LARGEST_SIDE:
        picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode("ascii")
