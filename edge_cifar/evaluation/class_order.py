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
    order = confusion.argmax(axis=0)
    shares = confusion.max(axis=0) / np.maximum(confusion.sum(axis=0), 1)
    if sorted(order) != list(range(classes)) or shares.min() <= _SHARE or (order == np.arange(classes)).all():
        return None
    return [int(number) for number in order]
