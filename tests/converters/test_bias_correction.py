"""Biases that make up for the rounding of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.export import calibration

from edge_cifar.converters import Calibration, _onnx_weights
from edge_cifar.converters.shared import bias_correction

pytest.importorskip("tensorflow", reason="the models are Keras models")


@pytest.mark.parametrize(
    "make",
    [
        lambda layers: layers.Conv2D(6, 3),
        lambda layers: layers.Conv2D(6, 3, groups=3),
        lambda layers: layers.DepthwiseConv2D(3, depth_multiplier=2),
    ],
    ids=["plain", "grouped", "depthwise"],
)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("steps", [bias_correction.full_range, _onnx_weights.steps], ids=["full range", "onnx"])
def test_a_rounded_kernel_with_the_corrected_offset_keeps_every_channels_mean(
    make: Any, use_bias: bool, steps: bias_correction.Steps
) -> None:
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3))
    layer = make(keras.layers)
    layer.use_bias = use_bias
    model = keras.Model(image, keras.layers.BatchNormalization()(layer(image)))
    # One colour an image: what a filter sees at any place has the mean of the whole.
    colours = np.random.default_rng(0).integers(0, 256, (20, 1, 1, 3), dtype=np.uint8)
    images = np.broadcast_to(colours, (20, 32, 32, 3))
    sample = Calibration(images=images, indices=np.arange(20), seed=0)

    def means() -> Any:
        return np.asarray(model(images.astype(np.float32), training=False)).mean(axis=(0, 1, 2), dtype=np.float64)

    right, exact = means(), layer.kernel.numpy()
    flat = exact.reshape(-1, 6) if exact.shape[-1] != 6 else exact
    coarse = bias_correction.rounded(flat, steps).reshape(exact.shape)
    shifts = bias_correction.shifts(model, sample, steps)
    layer.kernel.assign(coarse)
    wrong = means()
    assert list(shifts) == [layer.name]
    # The batch norm's factor is in the shift already: it is for the bias that both are folded into.
    assert np.abs(wrong - right).max() > 1e-3
    np.testing.assert_allclose(wrong + shifts[layer.name], right, rtol=0, atol=0.03 * np.abs(wrong - right).max())


def test_a_batch_norm_behind_an_activation_takes_no_part() -> None:
    import keras

    image = keras.Input((32, 32, 3))
    behind = keras.layers.Conv2D(4, 3, activation="relu", name="behind")
    bare = keras.layers.Conv2D(4, 3, activation="relu", use_bias=False, name="bare")
    normalization = keras.layers.BatchNormalization()
    model = keras.Model(image, keras.layers.BatchNormalization()(bare(normalization(behind(image)))))
    before = bias_correction.shifts(model, calibration())
    normalization.gamma.assign(100 * np.ones(4, np.float32))
    assert list(before) == ["behind"]
    np.testing.assert_array_equal(bias_correction.shifts(model, calibration())["behind"], before["behind"])


def test_rounding_is_to_127_steps_a_channel_and_leaves_zeros_alone() -> None:
    kernel = np.array([[0.0, 1.0, -2.0], [0.0, 0.5, 1.0]], np.float32)
    np.testing.assert_allclose(
        bias_correction.rounded(kernel), [[0.0, 1.0, -2.0], [0.0, 64 / 127, 128 / 127]], rtol=1e-6
    )
