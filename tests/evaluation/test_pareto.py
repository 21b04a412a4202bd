"""The Pareto front, against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_cifar.evaluation.pareto import pareto_front, pareto_fronts


def test_the_front_by_hand():
    costs = np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [3.0, 0.5]])
    assert pareto_front(costs).tolist() == [True, True, False, True]


def test_equal_choices_stand_together():
    assert pareto_front(np.array([[1.0, 1.0], [1.0, 1.0]])).tolist() == [True, True]


def test_what_was_not_measured_is_on_no_front_and_beats_nothing():
    assert pareto_front(np.array([[np.nan, 0.0], [1.0, 1.0]])).tolist() == [False, True]


def test_no_choice_at_all():
    assert pareto_front(np.zeros((0, 3))).tolist() == []


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_a_choice_is_on_the_front_unless_another_dominates_it(costs):
    front = pareto_front(costs)
    for row, on_front in zip(costs, front, strict=True):
        dominated = any((other <= row).all() and (other < row).any() for other in costs)
        assert on_front == (not dominated)
    assert front.any()


def test_groups_have_fronts_of_their_own():
    costs = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [2.5, np.nan]])
    assert pareto_fronts(costs, ["a", "b", "b", "a"]).tolist() == [True, True, False, False]
    assert pareto_fronts(costs, ["a"] * 4).tolist() == pareto_front(costs).tolist()
    assert pareto_fronts(np.zeros((0, 3)), []).tolist() == []
