"""Which training images set the ranges of quantized activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.data.splits import balanced_indices
from edge_cifar.errors import UsageError


def sample(split: Split, count: int, seed: int) -> NDArray[np.int64]:
    """A class-balanced sample of training images.

    Args:
        split: training images; never test images, whose ranges a device does not know.
        count: how many; all are taken where there are fewer.
        seed: of the choice.

    Returns:
        int64 ``[min(count, N)]`` indices into ``split``, ascending.

    Raises:
        UsageError: the count is not positive.
    """
    if count < 1:
        raise UsageError(f"calibration needs at least one image, not {count}")
    return balanced_indices(split.labels, count, seed)
