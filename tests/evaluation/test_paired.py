"""McNemar's exact test and Tango's interval, against published and independently computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_cifar.evaluation.paired import mcnemar, paired_drop, tango

counts = st.integers(1, 400).flatmap(
    lambda count: st.tuples(st.integers(0, count // 2), st.integers(0, count // 2), st.just(count))
)


def likelihood_ratio_free_score(lost: int, won: int, count: int, difference: float) -> float:
    """Tango's statistic with its restricted maximum likelihood found by brute force, not by formula."""
    q = np.linspace(max(0, -difference), (1 - difference) / 2, 200_001)[1:-1]
    same = count - lost - won
    log_likelihood = lost * np.log(q + difference) + won * np.log(q) + same * np.log1p(-2 * q - difference)
    best = q[log_likelihood.argmax()]
    return (lost - won - count * difference) / math.sqrt(count * (2 * best + difference * (1 - difference)))


@pytest.mark.parametrize(("lost", "won", "count"), [(150, 86, 1600), (9, 2, 100), (12, 30, 500)])
def test_the_ends_of_tangos_interval_are_where_the_score_is_1_96(lost, won, count):
    low, high = tango(lost, won, count)
    assert likelihood_ratio_free_score(lost, won, count, low) == pytest.approx(1.96, abs=2e-3)
    assert likelihood_ratio_free_score(lost, won, count, high) == pytest.approx(-1.96, abs=2e-3)


def test_tangos_interval_comes_close_to_the_textbook_one_on_many_changes():
    # A. Agresti, "Categorical Data Analysis", table 10.1, approval of a prime minister in two polls
    # of the same 1,600 people: a fall of 0.040, textbook (Wald) interval 0.021 to 0.059.
    assert [round(end, 3) for end in tango(150, 86, 1600)] == [0.021, 0.059]


@given(counts)
@settings(deadline=None)
def test_tangos_interval_holds_the_difference_and_mirrors(table):
    lost, won, count = table
    low, high = tango(lost, won, count)
    assert -1 <= low <= (lost - won) / count <= high <= 1
    assert tango(won, lost, count) == pytest.approx((-high, -low), abs=1e-9)


def test_no_changed_image_still_leaves_room_for_one():
    low, high = tango(0, 0, 2000)
    assert low == pytest.approx(-high)
    assert high == pytest.approx(1.96**2 / (2000 + 1.96**2), rel=1e-3)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_a_fair_coin(lost, won):
    tail = sum(math.comb(lost + won, number) for number in range(min(lost, won) + 1)) / 2 ** (lost + won)
    assert mcnemar(lost, won) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == 2 / 32
    assert mcnemar(9, 2) == pytest.approx(2 * (1 + 11 + 55) / 2048)


def test_mcnemar_neither_overflows_nor_lingers_on_large_counts():
    assert mcnemar(5000, 5000) == 1.0
    assert mcnemar(6000, 2000) == 0.0


def test_paired_drop_counts_images_that_changed_sides():
    labels = np.zeros(100, np.int64)
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    reference = np.array([right] * 80 + [wrong] * 20)
    candidate = np.array([right] * 71 + [wrong] * 9 + [right] * 2 + [wrong] * 18)
    drop = paired_drop(labels, reference, candidate)
    assert drop.points == pytest.approx(7)
    assert (drop.low / 100, drop.high / 100) == pytest.approx(tango(9, 2, 100))
    assert drop.p_value == mcnemar(9, 2)
    assert drop.images == 100


def test_paired_drop_refuses_no_images():
    with pytest.raises(ValueError, match="no image"):
        paired_drop(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))
