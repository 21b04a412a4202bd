"""What a network answers, read as probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]

# A softmax whose output is stored in bytes, or computed in half precision, may miss 0 and 1 by that much.
_SLACK = 1e-2


SOFTMAX = "the model's scores are no probabilities; softmax made them so"
OF_TWO = "the model's one output is taken for the probability of the second of two classes"
SIGMOID = "the model's one output is taken for a score of the second of two classes; a sigmoid made it a probability"


def classes(scores: int) -> int:
    """How many classes so many scores an image tell apart: a single one tells two apart."""
    return max(scores, 2)


def as_probabilities(scores: Scores) -> tuple[NDArray[np.float32], str]:
    """A network's scores as probabilities of its classes, whatever its last layer is.

    Args:
        scores: ``[N, scores]``, numbers. One score alone is the probability p of the second of two classes,
            as a sigmoid gives it, or what a sigmoid is still to be taken of.

    Returns:
        float32 ``[N, classes]``, and what was done for it; empty where the scores were probabilities.
    """
    if scores.shape[1] == 1:
        if scores.min() >= -_SLACK and scores.max() <= 1 + _SLACK:
            second = np.clip(scores, 0, 1).astype(np.float32)
            return np.concatenate([1 - second, second], axis=1), OF_TWO
        return softmax(np.concatenate([np.zeros_like(scores), scores], axis=1)), SIGMOID
    if are_probabilities(scores):
        return scores.astype(np.float32), ""
    return softmax(scores), SOFTMAX


def of_numbers(scores: Scores) -> NDArray[np.float32]:
    """Probabilities as :func:`as_probabilities` makes them, with 0 for scores that are NaN or infinite."""
    return as_probabilities(np.nan_to_num(scores, posinf=0.0, neginf=0.0))[0]


def are_numbers(scores: Scores) -> bool:
    """Whether nothing among the scores is NaN or infinite."""
    return bool(np.isfinite(scores).all())


def are_probabilities(scores: Scores) -> bool:
    """Whether each image's scores are probabilities of its classes, and not logits of a network without its softmax.

    Args:
        scores: ``[N, classes]``.
    """
    return bool(scores.min() >= -_SLACK and scores.max() <= 1 + _SLACK) and sum_to_one(scores)


def sum_to_one(scores: Scores) -> bool:
    """Whether each image's scores ``[N, classes]`` sum to 1, as far as probabilities in 8 bits do."""
    # Each is off by up to half a step of 1/256, and those of all classes may add up.
    allowed = 0.1 + scores.shape[1] / 512
    return bool(np.abs(scores.sum(axis=1) - 1).max() < allowed)


def softmax(logits: Scores) -> NDArray[np.float32]:
    """Probabilities float32 ``[N, classes]`` in 0..1 from logits ``[N, classes]``."""
    # The largest of each image becomes 0: no exponential overflows.
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
