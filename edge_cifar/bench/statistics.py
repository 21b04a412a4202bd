"""From durations of single inferences to the figures of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.bench_figures import Latency
from edge_cifar.evaluation.metrics import Interval

_CONFIDENCE = 0.95
_NANOSECONDS_PER_MILLISECOND = 1e6


def latency(windows_ns: Sequence[Sequence[int]], first_ms: Sequence[float]) -> Latency:
    """The figures of one artifact.

    Args:
        windows_ns: durations in nanoseconds, by window; at least one window, none empty.
        first_ms: the first inference of each process, in milliseconds; at least one.
    """
    medians = window_medians(windows_ns)
    pooled = np.concatenate([np.asarray(window, np.float64) for window in windows_ns]) / _NANOSECONDS_PER_MILLISECOND
    middle = median_interval(medians)
    lower_quartile, upper_quartile = np.quantile(medians, [0.25, 0.75])
    p90, p99 = np.quantile(pooled, [0.9, 0.99])
    return Latency(
        median=middle.value,
        low=middle.low,
        high=middle.high,
        p90=float(p90),
        p99=float(p99),
        mean=float(pooled.mean()),
        first=float(np.median(first_ms)),
        spread=float((upper_quartile - lower_quartile) / middle.value),
        windows=tuple(float(median) for median in medians),
        inferences=len(pooled),
    )


def window_medians(windows_ns: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Each window's median, in milliseconds."""
    return np.array([np.median(window) for window in windows_ns]) / _NANOSECONDS_PER_MILLISECOND


def paired_ratio(windows: Sequence[float], baseline: Sequence[float]) -> Interval:
    """How many times as long an artifact takes as its baseline.

    Window k of one and window k of the other were taken one after the other, so a machine that
    slows down slows both, and their ratio stays.

    Args:
        windows: the artifact's window medians.
        baseline: the baseline's, in the same order; surplus windows of either are left out.

    Returns:
        Median of the ratios with its 95 % interval; ``count`` is the number of pairs, at least 1.
    """
    pairs = min(len(windows), len(baseline))
    return median_interval(np.asarray(windows[:pairs]) / np.asarray(baseline[:pairs]))


def median_interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """A median with its 95 % interval by order statistics, which assumes no distribution.

    The interval runs from the k-th smallest to the k-th largest value, with the largest k for which
    a fair coin thrown ``count`` times shows fewer than k heads with a probability of at most 2.5 %.
    Below six values no such k exists and the interval is the whole range.

    Source: W. R. Thompson, "On confidence ranges for the median and other expectation distributions
    for populations of unknown distribution form", Annals of Mathematical Statistics 7 (1936).
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    rank = max(1, _rank(count))
    return Interval(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[count - rank]), count)


def _rank(count: int) -> int:
    """Largest k with P(heads < k) <= 2.5 % in ``count`` throws of a fair coin; 0 if there is none."""
    tail = (1 - _CONFIDENCE) / 2
    probability = 0.0
    for heads in range(count):
        probability += math.comb(count, heads) / 2**count
        if probability > tail:
            return heads
    return count
