"""The input range of a benchmark case whose file does not say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.bench.case import Case
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.data.splits import balanced_indices
from edge_cifar.evaluation import scores
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.range_trial import MOST_IMAGES, Trial, try_ranges
from edge_cifar.storage import archives

DOUBTED = "another input range gives better accuracy"

# So that a slow network takes a few seconds for each range.
_FEWEST_IMAGES = 30
_SECONDS = 5.0


def of_case(case: Case, evaluation_set: EvaluationSet, ask: Callable[..., Any], folder: Path) -> Trial:
    """Show some labelled images to a case's file in the common input ranges.

    Args:
        case: where the file's worker is.
        evaluation_set: the images.
        ask: one request to that worker. Its file is loaded anew for each range, and at the end as it was.
        folder: for files that the worker reads and writes.
    """
    chosen = balanced_indices(evaluation_set.labels, _count(case), seed=0)
    labels, images, file = evaluation_set.labels[chosen], folder / "some-images.npy", folder / "some-answers.npy"
    np.save(images, evaluation_set.images[chosen], allow_pickle=False)

    def answers(preprocessing: Preprocessing) -> Probabilities | None:
        setup = replace(case.setup(), preprocessing=preprocessing, ground="tried")
        ask("load", path=str(case.subject.path), threads=case.threads, setup=setup.to_json())
        ask("predict", images=str(images), start=0, stop=len(labels), answers=str(file))
        found = np.array(archives.mapped(file))
        if not scores.are_numbers(found):
            return None
        return evaluation_set.in_order(scores.as_probabilities(found)[0], case.labels)

    told = case.subject.options.preprocessing
    trial = try_ranges(case.preprocessing, told, labels, answers, may_take=case.input["ground"] == "assumed")
    ask("load", path=str(case.subject.path), threads=case.threads, setup=case.setup().to_json())
    return trial


def _count(case: Case) -> int:
    typical_ms = float(np.median(case.windows_ns[-1])) / 1e6 / max(case.batch, 1)
    return int(min(MOST_IMAGES, max(_FEWEST_IMAGES, _SECONDS * 1e3 / typical_ms)))
