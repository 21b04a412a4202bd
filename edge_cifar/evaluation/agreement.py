"""How far two classifiers' answers to the same images lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.floating[Any]]

# A quantized artifact may answer exactly 0 where the reference does not, which would make the
# divergence infinite. Such a 0 stands for anything below half a step of an 8-bit probability.
_HALF_STEP = 1 / 512


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A candidate's answers held against a reference's.

    Attributes:
        max_abs_diff: largest difference of a probability; NaN where an answer is not a number.
        mean_abs_diff: mean over images and classes.
        top1_agreement: share of images with the same most probable class, 0..1.
        kl_divergence: mean Kullback-Leibler divergence of the candidate from the reference, in nats.
        images: number of images compared.
        changed: numbers of the images whose most probable class differs, ascending.
    """

    max_abs_diff: float
    mean_abs_diff: float
    top1_agreement: float
    kl_divergence: float
    images: int
    changed: tuple[int, ...]


def agreement(reference: Probabilities, candidate: Probabilities) -> Agreement:
    """Compare two classifiers' answers.

    Args:
        reference: ``[N, classes]``, N at least 1.
        candidate: ``[N, classes]``.

    Raises:
        ValueError: the shapes differ or hold no image.
    """
    if reference.shape != candidate.shape or reference.ndim != 2 or not len(reference):
        raise ValueError(f"cannot compare probabilities of shapes {reference.shape} and {candidate.shape}")
    difference = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
    changed = np.flatnonzero(reference.argmax(axis=1) != candidate.argmax(axis=1))
    return Agreement(
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        top1_agreement=1 - len(changed) / len(reference),
        kl_divergence=kl_divergence(reference, candidate),
        images=len(reference),
        changed=tuple(int(number) for number in changed),
    )


def kl_divergence(reference: Probabilities, candidate: Probabilities) -> float:
    """Mean over the images of the sum over the classes of ``p log(p / q) - p + q``, in nats.

    For probabilities that sum to 1 the last two terms cancel; with them the figure is never negative
    for those that do so only but for rounding, as 8-bit ones do. Where the candidate's ``q`` is
    exactly 0 it counts as ``p``, but at most 1/512: no artifact is charged for digits that its output
    cannot hold, and a class it denies costs a bounded amount.

    Source: S. Kullback, R. A. Leibler, "On information and sufficiency", Annals of Mathematical
    Statistics 22 (1951), 79-86; the form for sums other than 1 is I. Csiszár's, "Why least squares
    and maximum entropy?", Annals of Statistics 19 (1991), 2032-2066.

    Args:
        reference: ``[N, classes]``, ``p``.
        candidate: ``[N, classes]``, ``q``.
    """
    p = reference.astype(np.float64)
    q = candidate.astype(np.float64)
    q = np.where(q == 0, np.minimum(p, _HALF_STEP), q)
    terms = q - p
    positive = p > 0
    terms[positive] += p[positive] * np.log(p[positive] / q[positive])
    return float(terms.sum(axis=1).mean())


def margin(probabilities: Probabilities) -> NDArray[np.float64]:
    """How sure each answer is: the largest probability minus the second largest.

    Args:
        probabilities: ``[N, classes]``, at least two classes.

    Returns:
        float64 ``[N]``, in 0..1.
    """
    top = np.partition(probabilities.astype(np.float64), -2, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def confident_agreement(
    reference: Probabilities, candidate: Probabilities, over: float
) -> tuple[float, NDArray[np.int64]]:
    """Top-1 agreement on those images whose reference margin exceeds a bound.

    Args:
        reference: ``[N, classes]``.
        candidate: ``[N, classes]``.
        over: bound on the reference's :func:`margin`.

    Returns:
        The share that agrees (1 when no image is over the bound), and the numbers of those over
        the bound that do not, ascending.
    """
    confident = margin(reference) > over
    changed = reference.argmax(axis=1) != candidate.argmax(axis=1)
    count = int(np.count_nonzero(confident))
    disagreeing = np.flatnonzero(confident & changed)
    return (1 - len(disagreeing) / count if count else 1.0), disagreeing
