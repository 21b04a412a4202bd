"""Whether a model's classes are those of the data in another order: it mistakes each class for one other, always."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_cifar.evaluation.metrics import confusion_matrix

# Of each class; fewer can be mistaken for each other by chance.
_FEWEST_IMAGES = 5
# So much of each output's answers belongs to one class.
_SHARE = 0.5


def other_order(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> list[int] | None:
    """In which order a model has the data's classes, where its answers show that it is another than the data's.

    Args:
        truth: ``[N]``, N at least 1, true classes in 0..classes - 1.
        predicted: ``[N]``, the outputs that the model chose.
        classes: number of outputs.

    Returns:
        the class that each output stands for; None where the order is that of the data, or cannot be told.
    """
    if truth.max() >= classes:
        return None
    confusion = confusion_matrix(truth, predicted, classes)
    if confusion.sum(axis=1).min() < _FEWEST_IMAGES:
        return None
    order, share = one_for_one(confusion.T)
    return order if share > _SHARE else None


def one_for_one(confusion: NDArray[np.int64]) -> tuple[list[int], float]:
    """What each row of a confusion matrix is mistaken for, if every row is for another one.

    Args:
        confusion: ``[N, N]``, numbers of images.

    Returns:
        the column that most of each row lies in, and the least share of a row that does, 0..1. No column and 0 where
        two rows have the same, or each row its own.
    """
    order = confusion.argmax(axis=1)
    own = np.arange(len(confusion))
    if (np.sort(order) != own).any() or (order == own).all():
        return [], 0.0
    shares = confusion.max(axis=1) / np.maximum(confusion.sum(axis=1), 1)
    return order.tolist(), float(shares.min())
