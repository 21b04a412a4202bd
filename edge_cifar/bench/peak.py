"""How many multiply-adds a second this machine can do at best, found out with a small matrix product."""

from __future__ import annotations

import time

import numpy as np
import threadpoolctl

# Three matrices of a megabyte each: as much work as a cache holds, many times what starting it costs.
_SIDE = 512
_SECONDS = 0.3


def multiply_adds_per_s(threads: int) -> float:
    """The best of repeated products of two square float32 matrices by NumPy's BLAS.

    Networks in float32 stay below it; int8 networks may exceed it, since an instruction then holds four times as
    many numbers.

    Args:
        threads: how many may compute it.
    """
    random = np.random.default_rng(0)
    left, right = (random.random((_SIDE, _SIDE), dtype=np.float32) for _ in range(2))
    product = np.empty_like(left)
    best = float("inf")
    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        end = time.perf_counter() + _SECONDS
        while time.perf_counter() < end or best == float("inf"):
            start = time.perf_counter()
            np.matmul(left, right, out=product)
            best = min(best, time.perf_counter() - start)
    return float(_SIDE**3 / best)
