"""A trained model's weights are values that half precision holds, batch norms folded in."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training.half_precision import settle  # noqa: E402


def _model():  # type: ignore[no-untyped-def]
    """Every kind of layer that converters fold, with batch norms as training leaves them."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, name="with_bias")(inputs)
    hidden = layers.BatchNormalization(name="after_bias")(hidden)
    hidden = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(layers.ReLU()(hidden))
    hidden = layers.BatchNormalization(name="after_depthwise")(hidden)
    hidden = layers.Conv2D(5, 1, name="alone")(hidden)
    outputs = layers.Dense(3, name="dense")(layers.GlobalAveragePooling2D()(hidden))
    model = keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)])
    return model


def _folded(model, convolution: str, batch_norm: str):  # type: ignore[no-untyped-def]
    kernel, *bias = model.get_layer(convolution).get_weights()
    gamma, beta, mean, variance = model.get_layer(batch_norm).get_weights()
    scale = gamma / np.sqrt(variance + np.float32(model.get_layer(batch_norm).epsilon))
    shape = (1, 1, -1, 1) if convolution == "depthwise" else (1, 1, 1, -1)
    return kernel * scale.reshape(shape), beta - mean * scale + (bias[0] * scale if bias else 0)


def _is_half(values: np.ndarray) -> bool:
    # Folding multiplies in single precision, so it may miss the half-precision value by a rounding of its own.
    return bool(np.allclose(values, values.astype(np.float16).astype(np.float32), rtol=3e-7, atol=1e-6))


def test_what_converters_fold_is_half_precision_afterwards_and_was_not_before() -> None:
    model = _model()
    pairs = (("with_bias", "after_bias"), ("depthwise", "after_depthwise"))
    assert not any(_is_half(values) for pair in pairs for values in _folded(model, *pair))
    settle(model)
    assert all(_is_half(values) for pair in pairs for values in _folded(model, *pair))
    assert all(_is_half(values) for name in ("alone", "dense") for values in model.get_layer(name).get_weights())


def test_answers_move_by_no_more_than_rounding() -> None:
    model = _model()
    images = np.random.default_rng(1).uniform(0, 1, (4, 8, 8, 3)).astype(np.float32)
    before = keras.ops.convert_to_numpy(model(images))
    settle(model)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(images)), before, atol=5e-3 * np.abs(before).max())


def test_settled_weights_stay_where_they_are() -> None:
    model = _model()
    settle(model)
    before = model.get_weights()
    settle(model)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-6, atol=1e-6)


def test_a_batch_norm_that_silences_a_filter_leaves_its_weights_alone() -> None:
    model = _model()
    layer = model.get_layer("after_bias")
    gamma, *rest = layer.get_weights()
    layer.set_weights([np.zeros_like(gamma), *rest])
    kernel = model.get_layer("with_bias").get_weights()[0]
    settle(model)
    np.testing.assert_array_equal(model.get_layer("with_bias").get_weights()[0], kernel)


def test_a_batch_norm_without_a_scale_is_folded_all_the_same() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, use_bias=False, name="convolution")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(scale=False, name="no_gamma")(hidden))
    random = np.random.default_rng(0)
    batch_norm = model.get_layer("no_gamma")
    batch_norm.set_weights([random.uniform(0.5, 2, 4).astype(np.float32) for _ in range(3)])
    settle(model)
    beta, mean, variance = batch_norm.get_weights()
    scale = 1 / np.sqrt(variance + np.float32(batch_norm.epsilon))
    assert _is_half(model.get_layer("convolution").get_weights()[0] * scale)
    assert _is_half(beta - mean * scale)


def test_a_batch_norm_without_a_shift_keeps_its_mean_and_settles_its_kernel() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, use_bias=False, name="convolution")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(center=False, name="no_beta")(hidden))
    batch_norm = model.get_layer("no_beta")
    weights = [np.random.default_rng(0).uniform(0.5, 2, 4).astype(np.float32) for _ in range(3)]
    batch_norm.set_weights(weights)
    settle(model)
    for now, then in zip(batch_norm.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    gamma, _, variance = weights
    scale = gamma / np.sqrt(variance + np.float32(batch_norm.epsilon))
    assert _is_half(model.get_layer("convolution").get_weights()[0] * scale)


def test_a_kernel_with_relu_before_its_batch_norm_is_settled_alone_since_nothing_folds_through_relu() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, activation="relu", name="convolution")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="behind")(hidden))
    weights = [np.random.default_rng(0).uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)]
    model.get_layer("behind").set_weights(weights)
    settle(model)
    for values in model.get_layer("convolution").get_weights():
        np.testing.assert_array_equal(values, values.astype(np.float16))
    for now, then in zip(model.get_layer("behind").get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_weight_too_large_for_half_precision_stays() -> None:
    model = _model()
    layer = model.get_layer("alone")
    kernel, bias = layer.get_weights()
    kernel[...] = 1e6
    layer.set_weights([kernel, bias])
    settle(model)
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
