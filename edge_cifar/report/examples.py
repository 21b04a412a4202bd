"""Right and wrong side by side: the same test images, and what each run says of them."""

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
# A larger picture is shrunk to this: it is shown at this size.
_LARGEST_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one run says of one image: a class, with its probability in 0..1."""

    run: str
    label: str
    confidence: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test image: a PNG in base64, its true class, and an answer of each run."""

    png: str
    label: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples for the runs that were tested on the same images.

    Attributes:
        data: which images.
        summary: how often the runs are right together, wrong together, and differ; a sentence.
        rows: the examples; empty where the images are not at hand.
        missing: why there are none, with the way to them; None when there are some.
    """

    data: DataSource
    summary: str
    rows: tuple[Example, ...] = ()
    missing: str | None = None


def comparable(runs: Sequence[Trained]) -> list[list[Trained]]:
    """The runs whose answers are kept, in groups that were tested on the same images."""
    kept = [run for run in runs if run.predictions is not None]
    groups: dict[tuple[str | None, bytes], list[Trained]] = {}
    for run in kept:
        groups.setdefault((run.data.checksum, answers(run).labels.tobytes()), []).append(run)
    return list(groups.values())


def without_images(runs: Sequence[Trained], reason: str) -> Examples:
    """What can be said of a group of :func:`comparable` runs whose images are not at hand."""
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
        raise RunError(f"the predictions in {runs[0].run.path} are not of its test images; train again, or remove them")
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
    """Which images to show: those that tell the runs apart.

    Images are sorted by which of the runs are right. Of several runs, the sorts in which some are
    right and some wrong take turns, the most frequent first, until there are enough; the images on
    which all agree fill up. Of one run, right and wrong take turns. Within a sort the surest answer
    of each class comes first.

    Args:
        said: what each run answered, for the same images.
        count: how many to show, at most.

    Returns:
        Positions in the test set, those of one sort together.
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
    """The predictions of a run that has them."""
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
        return f"{runs[0].name} is right about {int(right.sum()):,} of {images:,} test images."
    together, never = int(right.all(axis=0).sum()), int((~right.any(axis=0)).sum())
    names = f"{', '.join(run.name for run in runs[:-1])} and {runs[-1].name}"
    all_ = "both" if len(runs) == 2 else "all"
    return (
        f"{names} are {all_} right about {together:,} of {images:,} test images, and {all_} wrong about {never:,}; "
        f"about {images - together - never:,} they differ."
    )


def png(image: NDArray[np.uint8]) -> str:
    """An image as a PNG in base64, shrunk to the size at which it is shown."""
    picture = Image.fromarray(image)
    if max(picture.size) > _LARGEST_SIDE:
        picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode("ascii")
