"""The input range of a benchmark case whose file does not say it, or of which a user says a doubtful one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import input_ranges
from edge_cifar.bench.case import Case
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.evaluation import scores
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.range_trial import Trial, trial
from edge_cifar.storage import archives

DOUBTED = "another input range gives better accuracy"

# So that a slow network takes a few seconds for each range.
_FEWEST_IMAGES, _MOST_IMAGES = 50, 800
_SECONDS = 5.0


def of_case(case: Case, evaluation_set: EvaluationSet, ask: Callable[..., Any], folder: Path) -> Trial:
    """Show some labelled images to a case's file in the common input ranges, the one in use first.

    Args:
        case: where the file's worker is.
        evaluation_set: the images.
        ask: one request to that worker. Its file is loaded anew for each range, and at the end as it was.
        folder: for files that the worker reads and writes.
    """
    images, file = folder / "some-images.npy", folder / "some-answers.npy"

    def answers(preprocessing: Preprocessing, numbers: NDArray[np.int64]) -> Probabilities:
        np.save(images, evaluation_set.images[numbers], allow_pickle=False)
        setup = replace(case.setup(), preprocessing=preprocessing, ground="tried")
        ask("load", path=str(case.subject.path), threads=case.threads, setup=setup.to_json())
        ask("predict", images=str(images), start=0, stop=len(numbers), answers=str(file))
        return evaluation_set.in_order(scores.of_numbers(np.array(archives.mapped(file))), case.labels)

    tried = input_ranges.to_try(case.preprocessing, case.subject.options.preprocessing)
    typical_ms = float(np.median(case.windows_ns[-1])) / 1e6 / max(case.batch, 1)
    most = int(min(_MOST_IMAGES, max(_FEWEST_IMAGES, _SECONDS * 1e3 / typical_ms)))
    found = trial(tried, answers, evaluation_set.labels, most=most)
    ask("load", path=str(case.subject.path), threads=case.threads, setup=case.setup().to_json())
    return found
