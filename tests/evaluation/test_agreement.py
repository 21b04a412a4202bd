"""Differences between two classifiers' answers, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_cifar.evaluation.agreement import agreement, confident_agreement, kl_divergence, margin

THREE = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.1, 0.8]], np.float32)
OTHER = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]], np.float32)


def probabilities(count=4, classes=5):
    raw = arrays(np.float64, (count, classes), elements=st.floats(1e-6, 1))
    return raw.map(lambda values: values / values.sum(axis=1, keepdims=True))


def test_agreement_by_hand():
    close = agreement(THREE, OTHER)
    assert close.max_abs_diff == pytest.approx(0.1)
    assert close.mean_abs_diff == pytest.approx(0.4 / 9)
    assert close.top1_agreement == pytest.approx(2 / 3)
    assert close.changed == (1,)
    assert close.images == 3


def test_kl_divergence_by_hand():
    first = 0.7 * math.log(0.7 / 0.6) + 0.2 * math.log(0.2 / 0.3)
    second = 0.4 * math.log(0.4 / 0.5) + 0.5 * math.log(0.5 / 0.4)
    assert kl_divergence(THREE, OTHER) == pytest.approx((first + second) / 3, rel=1e-5)


@given(probabilities(), probabilities())
def test_kl_divergence_is_never_negative_and_zero_for_equals(first, second):
    assert kl_divergence(first, second) >= -1e-12
    assert kl_divergence(first, first) == pytest.approx(0, abs=1e-12)


def test_a_zero_that_eight_bits_cannot_avoid_costs_a_bounded_amount():
    unsure = np.array([[0.999, 0.001]])
    assert kl_divergence(unsure, np.array([[1.0, 0.0]])) < 1e-5
    denied = kl_divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    assert 1 < denied < 4


def test_an_answer_that_is_no_number_shows():
    broken = OTHER.copy()
    broken[0, 0] = np.nan
    assert math.isnan(agreement(THREE, broken).max_abs_diff)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        agreement(THREE, OTHER[:2])


def test_margin_is_first_minus_second():
    assert margin(THREE) == pytest.approx([0.5, 0.1, 0.7])


def test_confident_agreement_looks_only_past_the_margin():
    assert confident_agreement(THREE, OTHER, 0.2)[0] == 1.0
    share, disagreeing = confident_agreement(THREE, OTHER, 0.05)
    assert share == pytest.approx(2 / 3)
    assert disagreeing.tolist() == [1]


def test_no_confident_image_means_nothing_disagrees():
    assert confident_agreement(THREE, OTHER, 0.9) == (1.0, pytest.approx([]))


@given(probabilities(), st.floats(-1e-3, 1e-3))
def test_within_a_tolerance_no_class_changes_past_twice_the_tolerance(answers, shift):
    """The rule behind the fp32 tolerance: 1e-3 on each probability, margins over 2e-3."""
    moved = answers.copy()
    moved[:, 0] += shift
    moved[:, 1] -= shift
    assert confident_agreement(answers, moved, 2e-3 + 1e-12)[0] == 1.0
