"""The range of pixels that a model takes: told, said by its own layers, found on labelled images, or asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.own_models import brightness, grey_images

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.errors import ModelError, UsageError
from edge_cifar.importing import pipeline
from edge_cifar.importing.loading import open_model
from edge_cifar.importing.network import Adapted
from edge_cifar.model_options import ModelOptions
from edge_cifar.preprocessing import Preprocessing

pytest.importorskip("tensorflow", reason="the models are Keras models")

IMAGES = Split(images=grey_images()[0], labels=grey_images()[1])


def _adapted(model: Any, told: Preprocessing | None = None, images: Split = IMAGES, **options: Any) -> Adapted:
    told = told or Preprocessing()
    network = pipeline.take_apart(open_model(model), ModelOptions(preprocessing=told), (8, 8))
    return network.adapt(told, images, (8, 8), options.get("given_range"), "whole")


def _accuracy(adapted: Adapted) -> float:
    answers = np.asarray(adapted.model(IMAGES.images.astype(np.float32)))
    return float((answers.argmax(1) == IMAGES.labels).mean())


def _layers() -> Any:
    return packages.require_keras().layers


@pytest.mark.parametrize("given", [(0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)])
def test_the_range_that_classifies_clearly_best_is_taken_and_said(given: tuple[float, float]) -> None:
    adapted = _adapted(brightness(*given))
    assert adapted.input_range.startswith("{:g} to {:g}".format(*given))
    assert "clearly the best" in adapted.ground
    assert "100.0%" in adapted.ground
    assert _accuracy(adapted) == 1


def test_a_model_that_classifies_no_better_in_any_range_is_asked_about() -> None:
    model = brightness()
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    with pytest.raises(ModelError, match=r"does not say .* 20\.0%.*--input-range, or --mean and --std"):
        _adapted(model)


def test_two_ranges_that_do_equally_well_are_asked_about() -> None:
    # The sign of the sum decides: -1 to 1 and ImageNet's standardization alike.
    keras = packages.require_keras()
    model = keras.Sequential([keras.Input((8, 8, 3)), _layers().GlobalAveragePooling2D(), _layers().Dense(2)])
    model.layers[-1].set_weights([np.array([[-1, 1]] * 3, np.float32), np.zeros(2, np.float32)])
    kept = IMAGES.labels != 2
    images = Split(images=IMAGES.images[kept], labels=(IMAGES.labels[kept] > 2).astype(np.int64))
    with pytest.raises(ModelError, match=r"several fit equally well .*such as --input-range=-1,1"):
        _adapted(model, images=images)


def test_floats_that_were_given_say_their_range_where_nothing_else_does() -> None:
    model = brightness()
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    adapted = _adapted(model, given_range=(-1.0, 1.0))
    assert adapted.input_range.startswith("-1 to 1")
    assert "the images were given so" in adapted.ground


@pytest.mark.parametrize(
    ("before", "made", "taken"),
    [
        (lambda: _layers().Rescaling(1 / 255), (0, 1), "0 to 255"),
        (lambda: _layers().Rescaling(1 / 127.5, offset=-1), (-1, 1), "0 to 255"),
        (lambda: _layers().Rescaling(255.0), (0, 255), "0 to 1"),
        (lambda: _layers().Rescaling(127.5, offset=127.5), (0, 255), "-1 to 1"),
        (lambda: _layers().Normalization(mean=127.5, variance=60.0**2), (-127.5 / 60, 127.5 / 60), "0 to 255"),
    ],
    ids=["1/255", "1/127.5 - 1", "times 255", "from -1..1", "normalization"],
)
def test_a_layer_that_scales_pixels_says_what_it_takes(before: Any, made: tuple[float, float], taken: str) -> None:
    # With no images that could tell: all of one class.
    same = Split(images=IMAGES.images[:1], labels=IMAGES.labels[:1])
    adapted = _adapted(brightness(*made, before=(before(),)), images=same)
    assert adapted.input_range.startswith(taken)
    assert "scales pixels itself" in adapted.ground
    assert _accuracy(adapted) == 1


def test_preprocess_input_written_into_the_graph_says_what_it_takes() -> None:
    keras = packages.require_keras()
    image = keras.Input((8, 8, 3))
    pixels = keras.applications.mobilenet_v2.preprocess_input(image)
    adapted = _adapted(keras.Model(image, brightness(-1, 1)(pixels)))
    assert adapted.input_range.startswith("0 to 255")
    assert "scales pixels itself" in adapted.ground
    assert _accuracy(adapted) == 1


def test_augmentation_and_resizing_before_the_scaling_hide_nothing() -> None:
    layers = _layers()
    before = (layers.RandomFlip(), layers.RandomRotation(0.1), layers.Resizing(6, 6), layers.Rescaling(1 / 255))
    adapted = _adapted(brightness(before=before))
    assert "'rescaling" in adapted.ground
    assert not [layer.name for layer in adapted.model.layers if layer.name.startswith("random")]
    assert _accuracy(adapted) == 1


@pytest.mark.parametrize(
    "told",
    [
        Preprocessing(input_range=(0.0, 1.0)),
        Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    ],
)
def test_a_range_that_contradicts_the_models_own_layer_is_refused(told: Preprocessing) -> None:
    model = brightness(before=(_layers().Rescaling(1 / 255, name="to_unit"),))
    with pytest.raises(UsageError, match=r"contradicts brightness: its layer 'to_unit' scales pixels itself.*0 to 255"):
        _adapted(model, told)
    assert _accuracy(_adapted(model, Preprocessing(input_range=(0.0, 255.0)))) == 1


def test_what_is_told_is_put_into_the_graph() -> None:
    told = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    adapted = _adapted(brightness(), told)
    front = packages.require_keras().Model(adapted.model.input, adapted.model.get_layer("preprocess_scale").output)
    expected = (IMAGES.images / 255 - np.array(told.mean)) / np.array(told.std)
    assert np.allclose(front(IMAGES.images.astype(np.float32)), expected, atol=1e-5)
    assert adapted.ground == "as told"
