"""Whether a bare file that does not say its input's range does clearly better in another than the one assumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import input_ranges
from edge_cifar.bench.case import Case
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation import scores
from edge_cifar.evaluation.metrics import Interval, accuracy
from edge_cifar.input_ranges import InputRange
from edge_cifar.storage import archives

DOUBTED = "another input range gives better accuracy"

# Enough to tell a range with which a network works from one with which it guesses.
_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class RangeTrial:
    """A bare file that was asked all images in the range assumed for it.

    Attributes:
        case: where its worker is.
        evaluation_set: the images.
        answers: float32 ``[N, classes]``, probabilities.
        folder: for files that the worker reads and writes.
    """

    case: Case
    evaluation_set: EvaluationSet
    answers: Probabilities
    folder: Path

    def doubt(self, ask: Callable[..., object]) -> str | None:
        """Ask the file some of the images in the other common ranges.

        Args:
            ask: one request to the case's worker; its file is loaded anew, and at the end as it was.

        Returns:
            the range that does clearly better, with both accuracies and the way out; None where none does.
        """
        case, chosen = self.case, balanced_indices(self.evaluation_set.labels, _IMAGES, seed=0)
        labels = self.evaluation_set.labels[chosen]
        images, file = self.folder / "some-images.npy", self.folder / "some-answers.npy"
        np.save(images, self.evaluation_set.images[chosen], allow_pickle=False)
        load: dict[str, Any] = {"path": str(case.subject.path), "threads": case.threads}
        tried: list[tuple[Interval, InputRange]] = []
        for other in input_ranges.others((case.input["low"], case.input["high"])):
            ask("load", **load, setup={**case.setup(), "channel_ranges": other.channels})
            ask("predict", images=str(images), start=0, stop=len(labels), answers=str(file))
            found = np.array(archives.mapped(file))
            if scores.are_numbers(found):
                tried.append((accuracy(labels, scores.as_probabilities(found)[0]), other))
        ask("load", **load, setup=case.setup())
        given = accuracy(labels, self.answers[chosen])
        # Intervals that do not touch: by chance no wrong range does that much better than the right one.
        better = [pair for pair in tried if pair[0].low > given.high]
        if not better:
            return None
        best, other = max(better, key=lambda pair: pair[0].value)
        return (
            f"with pixels in {other.name}, top-1 on {len(labels)} images is {best.value:.1%} instead of "
            f"{given.value:.1%}; use --input-range={other.option}{'' if other.uniform else ', which is close to it'}"
        )
