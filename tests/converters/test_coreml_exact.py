"""Core ML's converter, where it would go wrong without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.export import calibration

from edge_cifar import formats
from edge_cifar.runtimes import coreml_reference

pytest.importorskip("tensorflow", reason="the models are Keras models")
pytest.importorskip("coremltools", reason="the packages are written by coremltools")

from edge_cifar.converters import coreml


@pytest.fixture(scope="module")
def model():  # type: ignore[no-untyped-def]
    """A batch norm that folds into the convolution before it, and one behind an activation, that does not."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    hidden = layers.Conv2D(5, 3, name="convolution")(image)
    hidden = layers.ReLU()(layers.BatchNormalization(name="folded")(hidden))
    hidden = layers.BatchNormalization(name="standing")(hidden)
    answer = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(hidden))
    made = keras.Model(image, answer)
    random = np.random.default_rng(0)
    for name in ("folded", "standing"):
        made.get_layer(name).set_weights([random.uniform(0.5, 2, 5).astype(np.float32) for _ in range(4)])
    return made


def _convert(model: object, precision: str, folder: Path) -> Path:
    path = folder / f"coreml-{precision}.mlpackage"
    labels = [f"class {number}" for number in range(10)]
    given = formats.get("coreml").precisions[precision]
    coreml.convert(model, given, labels=labels, calibration=calibration(), metadata={}, path=path)
    return path


def test_a_folded_batch_norm_is_folded_to_the_last_bits(model, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    kernel, _ = model.get_layer("convolution").get_weights()
    gamma, _, _, variance = (w.astype(np.float64) for w in model.get_layer("folded").get_weights())
    scale = gamma / np.sqrt(variance + model.get_layer("folded").epsilon)
    constants = coreml_reference.constants(_convert(model, "fp32", tmp_path)).values()
    kernels = [np.asarray(value) for value in constants if np.shape(value) == (5, 3, 3, 3)]
    assert len(kernels) == 1
    # coremltools' own order of passes comes out 5e-6 too small.
    np.testing.assert_allclose(kernels[0], (kernel * scale).transpose(3, 2, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("precision", formats.get("coreml").precisions)
def test_a_batch_norm_behind_an_activation_converts_at_every_precision(
    model,  # type: ignore[no-untyped-def]
    precision: str,
    tmp_path: Path,
) -> None:
    images = calibration().images[:4]
    given = coreml_reference.load(_convert(model, precision, tmp_path)).predict(images)
    np.testing.assert_allclose(given, model.predict(images.astype(np.float32), verbose=0), atol=0.1)
