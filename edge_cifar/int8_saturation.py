"""When 8-bit products overflow on x86 processors without VNNI.

There runtimes multiply unsigned by signed bytes with ``vpmaddubsw``, which adds two neighbouring products and saturates
the sum at 16 bits. With activations of up to 255, no sum can overflow where the magnitudes of any two weights of one
sign that are multiplied side by side add up to 128 at most: 255 * 128 = 32,640 < 32,767. Which weights of a filter are
neighbours depends on the order in which a runtime packs them, so any two may be.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, PMADDUBSW.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_PAIR = 128


def largest_pair(filters: NDArray[Any]) -> NDArray[Any]:
    """The largest sum of the magnitudes of two weights of one sign.

    Args:
        filters: signed ``[filters, weights of one]``.

    Returns:
        ``[filters]``; a filter's only weight of a sign stands alone.
    """
    lowest_first = np.sort(filters, axis=1)
    # NumPy sums bytes in as many bits as it has.
    positive = np.maximum(lowest_first[:, -2:], 0).sum(axis=1)
    negative = -np.minimum(lowest_first[:, :2], 0).sum(axis=1)
    return np.asarray(np.maximum(positive, negative))
