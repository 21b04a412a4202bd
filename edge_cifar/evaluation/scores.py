"""What a network answers, read as probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]

# A softmax whose output is stored in bytes, or computed in half precision, may miss 0 and 1 by that much.
_SLACK = 1e-2


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
