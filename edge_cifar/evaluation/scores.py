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


def are_logits(scores: Scores) -> bool:
    """Whether the scores cannot be probabilities, as of a network that ends without its softmax.

    Args:
        scores: ``[N, classes]``; the more images, the surer the answer.
    """
    return bool(scores.min() < -_SLACK or scores.max() > 1 + _SLACK)


def softmax(logits: Scores) -> NDArray[np.float32]:
    """Probabilities float32 ``[N, classes]`` in 0..1 from logits ``[N, classes]``."""
    # The largest of each image becomes 0: no exponential overflows.
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
