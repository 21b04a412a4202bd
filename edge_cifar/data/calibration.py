"""Which training images set the ranges of quantized activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.data.splits import balanced_indices
from edge_cifar.errors import UsageError

# Ten of each of ten classes.
_FEW = 100
# Of 255: photographs span nearly all of it; values scaled to 0..1 would span 1.
_NARROW = 128


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
        raise UsageError(f"calibration needs at least 1 image; got {count}")
    return balanced_indices(split.labels, count, seed)


def doubts(images: NDArray[np.uint8]) -> list[str]:
    """Why the ranges that follow from some images may be wrong, in a sentence each; empty when nothing is odd.

    Args:
        images: uint8 ``[N, H, W, 3]``.
    """
    found = []
    if len(images) < _FEW:
        found.append(f"only {len(images)} calibration images: use at least {_FEW} for stable ranges")
    if len(images) > 1 and (images == images[0]).all():
        found.append("all calibration images are identical: the ranges fit a single image")
    low, high = int(images.min()), int(images.max())
    if high - low < _NARROW:
        found.append(
            f"the calibration images' values only span {low} to {high} of 0 to 255: brighter or darker images "
            "will be clipped"
        )
    return found
