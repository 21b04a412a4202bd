"""Inputs and outputs of every common shape become raw RGB pixels and class probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.own_models import brightness, grey_images

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.errors import EdgeCifarError, ModelError
from edge_cifar.importing import pipeline
from edge_cifar.importing.loading import open_model
from edge_cifar.importing.network import Adapted
from edge_cifar.model_options import ModelOptions, Told

pytest.importorskip("tensorflow", reason="the models are Keras models")

PIXELS, LABELS = grey_images(60)


@pytest.fixture
def keras() -> Any:
    return packages.require_keras()


def _adapted(model: Any, pixels: Any = PIXELS, data_size: Any = (8, 8), **told: Any) -> Adapted:
    options = ModelOptions.of(Told(input_range=told.pop("input_range", "0,1"), **told))
    network = pipeline.take_apart(open_model(model), options, data_size)
    images = Split(images=pixels, labels=LABELS)
    return network.adapt(options.preprocessing, images, pixels.shape[1:3], None, "whole")


def _answers(adapted: Adapted, pixels: Any = PIXELS) -> Any:
    return np.asarray(adapted.model(pixels.astype(np.float32), training=False))


def _right(adapted: Adapted) -> bool:
    return bool((_answers(adapted).argmax(1) == LABELS).all())


@pytest.mark.parametrize(
    "shape",
    [(8, 8, 3), (8, 8, 1), (8, 8), (64,), (192,), (None, None, 3), (None, None, 1)],
    ids=str,
)
def test_a_model_takes_raw_rgb_pixels_whatever_it_takes_itself(shape: Any) -> None:
    adapted = _adapted(brightness(shape=shape))
    assert adapted.model.input_shape == (None, 8, 8, 3)
    assert _right(adapted)


def test_channels_first_are_put_first(keras: Any) -> None:
    layers = keras.layers
    before = (layers.Permute((2, 3, 1)),)
    model = brightness(shape=(3, 8, 8), before=before)
    assert _right(_adapted(model))


def test_blue_may_come_first(keras: Any) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Softmax()])
    red = np.zeros((60, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert _answers(_adapted(model, red), red)[0].argmax() == 0
    assert _answers(_adapted(model, red, channels="bgr"), red)[0].argmax() == 2


def test_images_of_another_size_are_resized_in_the_graph() -> None:
    adapted = _adapted(brightness(shape=(5, 7, 3)))
    assert adapted.model.input_shape == (None, 8, 8, 3)
    assert adapted.model.get_layer("resize").output.shape == (None, 5, 7, 3)
    assert _right(adapted)


def test_a_size_is_asked_for_where_nothing_tells_one() -> None:
    model = brightness(shape=(None, None, 3))
    with pytest.raises(ModelError, match="--image-size 224"):
        _adapted(model, data_size=None)
    network = pipeline.take_apart(open_model(model), ModelOptions(image_size=(6, 9)), None)
    assert network.taken.size == (6, 9)


def test_scores_get_a_softmax_and_it_is_said(keras: Any) -> None:
    adapted = _adapted(brightness(softmax=False))
    assert "softmax was added" in adapted.output
    assert np.allclose(_answers(adapted), _answers(_adapted(brightness())), atol=1e-5)
    assert _adapted(brightness()).output == ""


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_score_becomes_two_probabilities(keras: Any, activation: str | None) -> None:
    dense = keras.layers.Dense(1, activation=activation)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), dense])
    dense.set_weights([np.full((3, 1), 0.4, np.float32), np.array([-0.2], np.float32)])
    adapted = _adapted(model)
    logits = 1.2 * PIXELS.mean(axis=(1, 2, 3)) / 255 - 0.2
    expected = 1 / (1 + np.exp(-logits))
    assert np.allclose(_answers(adapted), np.stack([1 - expected, expected], axis=1), atol=1e-4)
    assert "1 - p and p" in adapted.output
    assert ("sigmoid was added" in adapted.output) == (activation is None)


def test_a_convolutional_head_is_flattened(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.AveragePooling2D(8), layers.Conv2D(5, 1), layers.Softmax()]
    )
    assert _adapted(model).model.output_shape == (None, 5)


def _two_outputs(keras: Any, model: Any) -> Any:
    features = keras.layers.Flatten(name="features")(model.inputs[0])
    return keras.Model(model.inputs, {"classes": model.outputs[0], "features": features})


def test_of_several_outputs_one_is_taken_by_name(keras: Any) -> None:
    model = _two_outputs(keras, brightness())
    with pytest.raises(ModelError, match=r"2 outputs \(classes \[5\], features \[192\]\); name .* --output"):
        _adapted(model)
    with pytest.raises(EdgeCifarError, match="did you mean 'classes'"):
        _adapted(model, output_name="clases")
    assert _right(_adapted(model, output_name="classes"))


def test_a_single_output_in_a_dict_is_taken(keras: Any) -> None:
    inner = brightness()
    assert _right(_adapted(keras.Model(inner.inputs, {"probabilities": inner.outputs[0]})))


def test_models_inside_models_are_opened_though_their_layers_have_the_same_names(keras: Any) -> None:
    layers = keras.layers

    def block(name: str) -> Any:
        return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="same")], name=name)

    image = keras.Input((8, 8, 3))
    hidden = layers.GlobalAveragePooling2D()(block("second")(block("first")(image)))
    model = keras.Model(image, layers.Softmax()(hidden))
    adapted = _adapted(model)
    assert sum(layer.name.endswith("same") for layer in adapted.model.layers) == 2
    assert np.allclose(_answers(adapted), np.asarray(model(PIXELS / np.float32(255))), atol=1e-5)


def test_half_precision_becomes_single(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(5, 8, dtype="mixed_float16"), layers.Flatten(), layers.Softmax()]
    )
    adapted = _adapted(model)
    assert {layer.compute_dtype for layer in adapted.model.layers} == {"float32"}


def test_the_model_that_was_given_stays_as_it_is() -> None:
    model = brightness()
    before = [layer.name for layer in model.layers], model.get_weights()
    _adapted(model)
    after = [layer.name for layer in model.layers], model.get_weights()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))


def _two_images(keras: Any) -> Any:
    images = [keras.Input((8, 8, 3), name=name) for name in ("left", "right")]
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Add()(images)))


def _text(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((40,)), layers.Embedding(10, 4), layers.Flatten(), layers.Dense(2)])


def _detector(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    boxes = layers.Reshape((16, 4), name="boxes")(layers.Dense(64)(layers.Flatten()(image)))
    return keras.Model(image, [boxes, layers.Dense(3, name="classes")(boxes)])


def _segmentation(keras: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)])


def _four_channels(keras: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 4)), keras.layers.GlobalAveragePooling2D()])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_two_images, r"2 image inputs \(left, right\)"),
        (_text, "takes text"),
        (_detector, "look like a detector's"),
        (_segmentation, "a detector's or a segmentation's"),
        (_four_channels, r"shape \[8, 8, 4\]"),
    ],
)
def test_what_is_no_classifier_of_one_image_is_refused(keras: Any, make: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        _adapted(make(keras))


@pytest.mark.parametrize("told", [{"channels": "gray"}, {"image_size": 12}])
def test_what_contradicts_the_models_shape_is_refused(told: Any) -> None:
    with pytest.raises(ModelError, match="omit it"):
        _adapted(brightness(), **told)
