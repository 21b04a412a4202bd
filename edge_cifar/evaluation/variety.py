"""Whether a network's answers tell images apart, where nobody knows which of them are right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# So small a part of a class says nothing; it keeps the logarithm finite.
_TINY = 1e-12


# Answers that tell no more than 1.01 classes apart differ by under a percent.
SAME = 1.01


def variety(probabilities: NDArray[np.floating[Any]]) -> float:
    """How many classes the answers tell apart: 1 where all are alike, up to the number of classes (or images).

    The exponential of the mutual information between image and class, large where each answer is sure and
    the answers differ. Source: the inception score of Salimans et al., Improved Techniques for Training GANs
    (2016), section 4, https://arxiv.org/abs/1606.03498.

    Args:
        probabilities: ``[N, classes]``, N at least 1.
    """
    answers = np.clip(probabilities.astype(np.float64), _TINY, 1)
    together = answers.mean(axis=0)
    return float(np.exp((answers * np.log(answers / together)).sum(axis=1).mean()))
