"""From samples to figures."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.bench.statistics import latency, median_interval, paired_ratio


@pytest.mark.parametrize(
    ("count", "rank"),
    # Ranks of the textbook tables: for 20 values the 6th and the 15th, 95.9 % sure.
    [(6, 1), (9, 2), (12, 3), (20, 6), (50, 18)],
)
def test_the_interval_of_a_median_has_the_ranks_of_the_tables(count: int, rank: int) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    interval = median_interval(values)
    assert (interval.low, interval.high) == (rank, count + 1 - rank)
    assert interval.value == (count + 1) / 2
    assert interval.count == count


@pytest.mark.parametrize("count", [1, 2, 5])
def test_below_six_values_the_interval_is_the_whole_range(count: int) -> None:
    interval = median_interval(np.arange(float(count)))
    assert (interval.low, interval.high) == (0, count - 1)


def test_the_interval_of_a_median_covers_it_as_often_as_it_says() -> None:
    samples = np.random.default_rng(1).lognormal(size=(2000, 18))
    hits = sum(interval.low <= 1.0 <= interval.high for interval in map(median_interval, samples))
    assert 0.94 <= hits / len(samples) <= 0.985


def test_latency_is_the_median_of_windows_and_percentiles_are_over_all() -> None:
    quiet, disturbed = [1_000_000] * 98, [5_000_000] * 98
    figures = latency([quiet, quiet, quiet, disturbed], first_ms=[9.0, 7.0, 8.0])
    assert figures.median == 1.0
    assert figures.p90 == figures.p99 == 5.0
    assert figures.mean == 2.0
    assert figures.first == 8.0
    assert figures.windows == (1.0, 1.0, 1.0, 5.0)
    assert figures.inferences == 4 * 98
    assert figures.spread == 1.0


def test_a_ratio_of_pairs_does_not_see_the_drift_that_hits_both() -> None:
    drift = np.linspace(1.0, 3.0, 20)
    ratio = paired_ratio(1.1 * drift, drift)
    assert ratio.value == pytest.approx(1.1)
    assert ratio.high - ratio.low < 1e-9
    assert ratio.count == 20
