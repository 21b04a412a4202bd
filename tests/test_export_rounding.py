"""Rounding to 8 bits: on the converter's grid, and closer in what the filters answer than the nearest values."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.converters._rounding import LEVELS, round_convolutions, round_filters


def _steps(weights: np.ndarray) -> np.ndarray:
    return np.abs(weights).max(axis=1, keepdims=True) / LEVELS


def _nearest(weights: np.ndarray) -> np.ndarray:
    return np.round(weights / _steps(weights)) * _steps(weights)


def _nearly_constant_inputs(groups: int, size: int) -> np.ndarray:
    """Inputs as a smooth image gives them: one brightness, and little beside it."""
    random = np.random.default_rng(1)
    return random.uniform(0, 6, (groups, 4000, 1)) + random.normal(0, 0.05, (groups, 4000, size))


def test_rounded_weights_lie_on_the_grid_of_the_largest_one() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 9, 4))
    inputs = _nearly_constant_inputs(3, 9)
    rounded = round_filters(weights, inputs.transpose(0, 2, 1) @ inputs / 4000)
    levels = rounded / _steps(weights)
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-9)
    np.testing.assert_allclose(np.abs(rounded).max(axis=1), np.abs(weights).max(axis=1))


def test_filters_that_cancel_keep_answering_nothing_to_a_plain_surface() -> None:
    weights = np.random.default_rng(2).normal(size=(16, 9, 1))
    weights -= weights.mean(axis=1, keepdims=True)
    inputs = _nearly_constant_inputs(16, 9)
    rounded = round_filters(weights, inputs.transpose(0, 2, 1) @ inputs / 4000)

    def error(candidate: np.ndarray) -> float:
        return float(np.square(inputs @ (candidate - weights)).mean())

    assert error(rounded) < error(_nearest(weights)) / 5


def test_weights_that_are_on_the_grid_already_stay() -> None:
    random = np.random.default_rng(3)
    weights = random.integers(-LEVELS, LEVELS + 1, (2, 9, 5)).astype(float)
    weights[:, 4] = LEVELS
    inputs = _nearly_constant_inputs(2, 9)
    np.testing.assert_allclose(round_filters(weights, inputs.transpose(0, 2, 1) @ inputs), weights)


def test_a_filter_without_weights_stays_empty() -> None:
    assert not round_filters(np.zeros((1, 9, 2)), np.eye(9)[np.newaxis]).any()


def test_every_convolution_is_rounded_where_it_stands_and_nothing_else() -> None:
    keras = pytest.importorskip("keras", reason="rounding reads Keras models")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, strides=2, padding="same", name="plain"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.Conv2D(6, 1, name="pointwise"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="dense"),
        ]
    )
    before = {layer.name: layer.get_weights() for layer in model.layers}
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    answers = np.asarray(model(images.astype(np.float32)))
    round_convolutions(model, images)
    for name, axes in (("plain", (0, 1, 2)), ("depthwise", (0, 1, 3)), ("pointwise", (0, 1, 2))):
        kernel = model.get_layer(name).get_weights()[0]
        levels = kernel / (np.abs(before[name][0]).max(axis=axes, keepdims=True) / LEVELS)
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
        assert not np.array_equal(kernel, before[name][0])
    np.testing.assert_array_equal(model.get_layer("dense").get_weights()[0], before["dense"][0])
    # The same answers to within what 8 bits allow: a permuted kernel would be far off.
    np.testing.assert_allclose(np.asarray(model(images.astype(np.float32))), answers, atol=0.02 * np.abs(answers).max())
