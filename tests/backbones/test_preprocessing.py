"""Preprocessing in the graph gives, from raw pixels, what the weights were trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import backbones as support

from edge_cifar import backbones

keras = pytest.importorskip("keras", reason="backbones are built with Keras")

# Module of keras.applications whose preprocess_input belongs to the backbone's ImageNet weights. That of
# mobilenet_v3 does nothing, since Keras' network scales for itself; ours is built without that layer,
# which makes the same range as MobileNet's.
_APPLICATION = {
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "mobilenet": "mobilenet",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3small": "mobilenet",
    "inceptionv3": "inception_v3",
}


def _preprocessed(namespace: Any, name: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    inputs = namespace.Input(images.shape[1:])
    model = namespace.Model(inputs, backbones.get(name).preprocess(namespace, inputs))
    return np.asarray(model(images.astype(np.float32), training=False))


def test_every_pretrained_backbone_is_held_to_keras_own_preprocessing() -> None:
    assert set(_APPLICATION) == {name for name in backbones.names() if backbones.get(name).pretrained}


@pytest.mark.parametrize("namespace", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", sorted(_APPLICATION))
def test_preprocessing_agrees_with_keras_applications(name: str, namespace: str) -> None:
    built_with = pytest.importorskip(namespace, reason="the twin is built with tf_keras")
    images = support.pixels(32)
    expected = getattr(keras.applications, _APPLICATION[name]).preprocess_input(images.astype(np.float32))
    np.testing.assert_allclose(_preprocessed(built_with, name, images), expected, rtol=1e-6, atol=1e-5)


def test_mobilenetv3_scales_as_its_own_first_layer_would() -> None:
    application = keras.applications.MobileNetV3Small(input_shape=(32, 32, 3), include_top=False, weights=None)
    scaling = application.layers[1]
    images = support.pixels(32)
    np.testing.assert_allclose(
        _preprocessed(keras, "mobilenetv3small", images), np.asarray(scaling(images.astype(np.float32))), atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "low", "high"), [("simple-cnn", 0.0, 1.0), ("resnet18", -1.0, 1.0), ("deep-cnn", 0.0, 1.0)]
)
def test_networks_trained_from_scratch_see_their_stated_range(name: str, low: float, high: float) -> None:
    extremes = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    seen = _preprocessed(keras, name, extremes)
    np.testing.assert_allclose(seen[0], low, atol=1e-6)
    np.testing.assert_allclose(seen[1], high, atol=1e-6)


def test_reversed_channels_survive_saving(tmp_path: Any) -> None:
    model = support.built("vgg16")
    images = support.pixels(32).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(images, training=False)), np.asarray(model(images, training=False)))
