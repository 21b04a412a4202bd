"""Networks for integers: batch norms that stand alone keep a scale a channel, factors of pixels vanish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import LABELS, calibration, network, pictures

from edge_cifar import formats, model_files
from edge_cifar.converters import _for_integers, tflite
from edge_cifar.runtimes import keras as keras_runtime

INT8 = formats.get("tflite").precisions["int8"]

pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")


@pytest.fixture(scope="module")
def model() -> Any:
    """A batch norm behind an activation whose factors span three orders of magnitude."""
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, activation="relu", name="first")(layers.Rescaling(1 / 255)(image))
    behind = layers.BatchNormalization(name="behind")
    x = layers.Conv2D(16, 3, use_bias=False, name="second")(behind(x))
    x = layers.ReLU()(layers.BatchNormalization(name="folded")(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="last")(x))
    factors = np.geomspace(0.01, 10, 16).astype(np.float32)
    first, second = model.get_layer("first"), model.get_layer("second")
    # Channels that are small before the batch norm and of one size behind it.
    first.kernel.assign(first.kernel.numpy() / factors)
    behind.gamma.assign(factors)
    second.kernel.assign(2 * second.kernel.numpy())
    last = model.get_layer("last")
    last.kernel.assign(4 * last.kernel.numpy())
    return model


def test_the_network_computes_the_same_and_only_what_stands_alone_is_replaced(model: Any) -> None:
    copy = _for_integers.prepared(model)
    assert type(copy.get_layer("behind")).__name__ == "DepthwiseConv2D"
    assert type(copy.get_layer("folded")).__name__ == "BatchNormalization"
    assert type(model.get_layer("behind")).__name__ == "BatchNormalization"
    images = pictures(20).astype(np.float32)
    np.testing.assert_allclose(copy(images, training=False), model(images, training=False), rtol=0, atol=1e-5)


def test_a_factor_of_pixels_is_held_by_the_weights_behind_it(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    plain = network()
    copy = _for_integers.prepared(plain)
    (rescaling,) = [layer for layer in copy.layers if type(layer).__name__ == "Rescaling"]
    assert (rescaling.scale, rescaling.offset) == (1.0, pytest.approx(-127.5))
    images = pictures(20).astype(np.float32)
    np.testing.assert_allclose(copy(images, training=False), plain(images, training=False), rtol=0, atol=1e-5)
    path = tmp_path / "x.tflite"
    tflite.convert(plain, INT8, labels=LABELS, calibration=calibration(), metadata={}, path=path)
    operators = [operator["op_name"] for operator in Interpreter(model_path=str(path))._get_ops_details()]
    assert "MUL" not in operators
    assert operators.count("ADD") == 1


@pytest.mark.parametrize("bias", [True, False], ids=["into the bias", "into the mean behind"])
def test_an_offset_of_pixels_goes_where_the_file_has_it_when_nothing_pads(bias: bool) -> None:
    import keras

    keras.utils.set_random_seed(6)
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, use_bias=bias, name="first")(layers.Rescaling(1 / 127.5, offset=-1, name="range")(image))
    x = layers.ReLU()(layers.BatchNormalization(name="behind")(x))
    plain = keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    plain.get_layer("behind").moving_mean.assign(np.linspace(-1, 1, 8))
    copy = _for_integers.prepared(plain)
    assert (copy.get_layer("range").scale, copy.get_layer("range").offset) == (1.0, 0.0)
    images = pictures(20).astype(np.float32)
    np.testing.assert_allclose(copy(images, training=False), plain(images, training=False), rtol=0, atol=1e-5)


def test_a_network_with_nothing_to_change_is_left_as_it_is() -> None:
    import keras

    image = keras.Input((32, 32, 3), name="image")
    plain = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image)))
    assert _for_integers.prepared(plain) is plain


def test_int8_keeps_small_factors_beside_large_ones(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(60, seed=4)
    expected = keras_runtime.of_model(model).predict(images)

    def error(name: str) -> float:
        path = tmp_path / f"{name}.tflite"
        tflite.convert(model, INT8, labels=LABELS, calibration=calibration(), metadata={}, path=path)
        return float(np.abs(model_files.load(path).predict(images) - expected).mean())

    as_convolutions = error("convolutions")
    monkeypatch.setattr(_for_integers, "_norms_alone", lambda model, graph: iter(()))
    assert as_convolutions < 0.75 * error("factors")
