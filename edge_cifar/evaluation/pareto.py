"""Which of several choices are worth considering: those that no other beats on every count."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def pareto_front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The choices that no other dominates.

    One choice dominates another when it costs no more in any column and less in at least one; equal
    choices do not dominate each other. A row with a NaN was not measured: it is on no front and
    dominates nothing.

    Source: V. Pareto, "Manuale di economia politica" (1906).

    Args:
        costs: ``[N, K]``, every column to be minimised; negate what is to be maximised.

    Returns:
        bool ``[N]``.
    """
    measured = ~np.any(np.isnan(costs), axis=1)
    # [i, j]: choice j against choice i. A comparison with NaN is false, so unmeasured rows beat none.
    no_worse = np.all(costs[None, :, :] <= costs[:, None, :], axis=2)
    better = np.any(costs[None, :, :] < costs[:, None, :], axis=2)
    front: NDArray[np.bool_] = measured & ~np.any(no_worse & better, axis=1)
    return front


def pareto_fronts(costs: NDArray[np.float64], groups: Sequence[Hashable]) -> NDArray[np.bool_]:
    """The choices that no other of their own group dominates: figures of two machines rank nothing.

    Args:
        costs: ``[N, K]``, as for :func:`pareto_front`.
        groups: the group of each, N of them.

    Returns:
        bool ``[N]``.
    """
    fronts = np.zeros(len(costs), np.bool_)
    for group in dict.fromkeys(groups):
        members = [number for number, other in enumerate(groups) if other == group]
        fronts[members] = pareto_front(costs[members])
    return fronts
