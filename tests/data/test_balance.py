"""Classes of unequal size: said from five to one on, and weighed so that all count the same."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.data.balance import class_weights, imbalance


@pytest.mark.parametrize(("cats", "dogs", "told"), [(50, 10, False), (51, 10, True), (10, 51, True), (10, 10, False)])
def test_imbalance_is_told_above_five_to_one(cats: int, dogs: int, told: bool) -> None:
    sentence = imbalance(np.repeat([0, 1], [cats, dogs]), ("cat", "dog"))
    assert bool(sentence) == told
    if told:
        large, small = ("cat", "dog") if cats > dogs else ("dog", "cat")
        assert f"51 training images of {large}, 10 of {small} (always predicting {large} is 84% accurate)" in sentence
        assert "--class-weights balanced" in sentence


def test_weights_make_classes_equal_and_images_one_on_average() -> None:
    labels = np.repeat([0, 1, 3], [60, 30, 10])
    weights = class_weights(labels, 4)
    assert weights.dtype == np.float32
    assert weights[2] == 0
    totals = weights * np.bincount(labels, minlength=4)
    assert totals[[0, 1, 3]] == pytest.approx(25)
    # As scikit-learn's compute_class_weight("balanced") where every class has images.
    assert class_weights(np.repeat([0, 1], [75, 25]), 2) == pytest.approx([100 / 150, 100 / 50])
