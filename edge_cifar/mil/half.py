"""Rounding to half precision, in place and several times faster than by two casts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_LARGEST: Final = np.float32(65504)
_EXPONENT_BITS: Final = np.uint32(0x7F80_0000)
_BLOCK: Final = 1 << 15


def round_to_half(values: NDArray[np.float32]) -> None:
    """Round each value to the nearest one of IEEE 754 binary16, ties to even, in place.

    The result equals ``values.astype(float16).astype(float32)``. Adding 1.5 * 2^13 times the power of two
    at or below a value pushes all but eleven bits of its significand out of a float32, which rounds it;
    subtracting the same brings it back exactly. Below 2^-14, where half precision is subnormal, the
    addend stays that of 2^-14.

    Args:
        values: of any shape; its memory must be unbroken, in whatever order of axes.
    """
    flat = values.ravel(order="K")
    if not np.may_share_memory(flat, values) and values.size:
        raise ValueError("values to be rounded must be contiguous in memory")
    addend = np.empty(min(_BLOCK, flat.size), np.float32)
    with np.errstate(invalid="ignore"):
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            push = addend[: block.size]
            np.bitwise_and(block.view(np.uint32), _EXPONENT_BITS, out=push.view(np.uint32))
            np.clip(push, np.float32(2.0**-14), np.float32(2.0**15), out=push)
            push *= np.float32(1.5 * 2.0**13)
            block += push
            block -= push
            too_large = np.abs(block, out=push) > _LARGEST
            if too_large.any():
                block[too_large] = np.copysign(np.float32(np.inf), block[too_large])
