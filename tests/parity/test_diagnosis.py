"""Which mistake a failed artifact's answers point at."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.parity.diagnosis import always_the_same, diagnose, no_probabilities
from edge_cifar.parity.perturbations import MISTAKES, PLAIN, VIEWS, show

NAMES = [f"class {number}" for number in range(10)]
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (40, 8, 8, 3), np.uint8)
WEIGHTS = RANDOM.normal(0, 0.5, (8 * 8 * 3, 10))


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


def logits(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), -1) / 127.5 - 1) @ WEIGHTS


def classifier(images: np.ndarray) -> np.ndarray:
    return softmax(logits(images))


REFERENCE = classifier(IMAGES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_artifact_that_sees_its_images_wrongly_is_found_out(mistake):
    answers = {view: classifier(show(show(IMAGES, view), mistake)) for view in VIEWS}
    assert diagnose(REFERENCE, answers, NAMES) == MISTAKES[mistake]


def test_reordered_classes_are_found_out():
    order = [3, 1, 2, 0, 4, 5, 6, 7, 8, 9]
    told = diagnose(REFERENCE, {PLAIN: REFERENCE[:, order]}, NAMES)
    assert "output 3 is 'class 0'" in str(told)
    assert "2 of 10 classes moved" in str(told)


def test_a_missing_softmax_is_found_out():
    assert "softmax is missing" in str(no_probabilities(REFERENCE, logits(IMAGES).astype(np.float32)))


def test_outputs_that_are_no_probabilities_are_found_out():
    assert "do not sum to 1" in str(no_probabilities(REFERENCE, REFERENCE * 3))
    assert "negative" in str(no_probabilities(REFERENCE, REFERENCE * 2 - REFERENCE[:, ::-1]))


def test_probabilities_rounded_to_eight_bits_are_probabilities():
    many = RANDOM.dirichlet(np.ones(100), 50).astype(np.float32)
    for probabilities in (REFERENCE, many):
        assert no_probabilities(probabilities, np.floor(probabilities * 256 + 0.5) / 256) is None


def test_an_artifact_that_ignores_its_input_is_found_out():
    assert "the same for every image" in str(always_the_same(REFERENCE, np.repeat(REFERENCE[:1], 40, axis=0)))
    assert always_the_same(REFERENCE, REFERENCE) is None
    assert always_the_same(REFERENCE[[0, 0]], REFERENCE[[0, 0]]) is None
    # Sure of one class twice, by a little more or less: 8 bits need not tell them apart.
    alike = np.array([[0.99, 0.01], [0.992, 0.008]], np.float32)
    assert always_the_same(alike, np.array([[1, 0], [1, 0]], np.float32)) is None


def test_nothing_is_claimed_where_no_guess_is_confirmed():
    noise = softmax(logits(IMAGES) + RANDOM.normal(0, 2, (40, 10)))
    answers = dict.fromkeys(VIEWS, noise)
    assert diagnose(REFERENCE, answers, NAMES) is None
