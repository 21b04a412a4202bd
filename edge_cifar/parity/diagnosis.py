"""What is likely wrong with an artifact whose answers are wrong: hypotheses that the answers confirm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_cifar.evaluation import scores
from edge_cifar.parity.perturbations import MISTAKES, PLAIN

Probabilities = NDArray[np.float32]

# A hypothesis is confirmed if correcting for it removes at least three quarters of the difference: the right
# one removes nearly all of it, even in an int8 artifact, and a wrong one adds to it.
_REMAINING = 0.25
# Probabilities that differ by more must differ in eight bits too.
_DIFFERING = 0.05


def no_probabilities(reference: Probabilities, plain: Probabilities) -> str | None:
    """Why answers are no probabilities, in words; None when they are.

    Args:
        reference: float32 ``[N, classes]``, the Keras model's probabilities.
        plain: float32 ``[N, classes]``, finite; the artifact's answers.
    """
    if scores.sum_to_one(plain) and plain.min() >= 0:
        return None
    if _explains(reference, plain, scores.softmax(plain)):
        return "outputs logits: the softmax is missing"
    return "outputs are not probabilities: some are negative, or they do not sum to 1"


def diagnose(reference: Probabilities, answers: Mapping[str, Probabilities], labels: Sequence[str]) -> str | None:
    """The mistake that explains the answers, in words; None if no hypothesis is confirmed.

    Args:
        reference: float32 ``[N, classes]``, the Keras model's probabilities.
        answers: the artifact's probabilities, by perturbation (see :mod:`edge_cifar.parity.perturbations`); ``plain``
            is among them.
        labels: class names.
    """
    plain = answers[PLAIN]
    return _wrong_view(reference, answers) or _wrong_order(reference, plain, labels)


def always_the_same(reference: Probabilities, plain: Probabilities) -> str | None:
    """Why answers do not depend on the images, in words; None where they do, or the Keras model's do not either.

    Args:
        reference: float32 ``[N, classes]``, the Keras model's probabilities.
        plain: float32 ``[N, classes]``, the artifact's.
    """
    # A quantized artifact may give identical answers for images that Keras itself finds alike.
    differing = len(np.unique(reference.argmax(axis=1))) > 1 and np.ptp(reference, axis=0).max() > _DIFFERING
    if differing and np.ptp(plain, axis=0).max() < 1e-6:
        return "outputs the same for every image: it ignores its input"
    return None


def _wrong_view(reference: Probabilities, answers: Mapping[str, Probabilities]) -> str | None:
    for view, mistake in MISTAKES.items():
        if view in answers and _explains(reference, answers[PLAIN], answers[view]):
            return mistake
    return None


def _wrong_order(reference: Probabilities, plain: Probabilities, labels: Sequence[str]) -> str | None:
    # [i, j]: how far output j lies from the Keras model's class i, over all images.
    distance = np.abs(reference[:, :, None] - plain[:, None, :]).mean(axis=0)
    order = distance.argmin(axis=1)
    moved = np.flatnonzero(order != np.arange(len(order)))
    if len(set(order.tolist())) < len(order) or not len(moved) or not _explains(reference, plain, plain[:, order]):
        return None
    first = int(moved[0])
    return (
        f"its classes are in a different order: output {order[first]} is {labels[first]!r}, "
        f"which is class {first} of the reference ({len(moved)} of {len(order)} classes moved)"
    )


def _explains(reference: Probabilities, plain: Probabilities, corrected: Probabilities) -> bool:
    before = float(np.abs(reference - plain).mean())
    after = float(np.abs(reference - corrected).mean())
    return after < _REMAINING * before
