"""How unequal the classes of a data set are, and what makes up for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Images of the largest class to one of the smallest. Up to here accuracy and balanced accuracy tell much the same.
_MOST_UNEQUAL = 5


def imbalance(labels: NDArray[np.int64], names: Sequence[str]) -> str:
    """What to know of classes that are more than five times as large as others; empty where none is.

    Args:
        labels: int64 ``[N]``, classes of the training images.
        names: of the classes.
    """
    counts = np.bincount(labels, minlength=len(names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] <= _MOST_UNEQUAL * counts[least]:
        return ""
    return (
        f"the classes are imbalanced: {counts[most]:,} training images of {names[most]}, {counts[least]:,} of "
        f"{names[least]} (always predicting {names[most]} is {counts[most] / len(labels):.0%} accurate); "
        "--class-weights balanced gives every class the same weight, and balanced accuracy judges it"
    )


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """The weight of each class with which all weigh the same, and an image 1 on average.

    Args:
        labels: int64 ``[N]``, classes of the training images.
        classes: number of classes.

    Returns:
        float32 ``[classes]``: N / (classes x images of the class); 0 for a class without images.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = np.divide(len(labels), classes * counts, out=np.zeros(classes), where=counts > 0)
    return weights.astype(np.float32)
