"""Classes in another order than the data's: said with the order, and never mistaken for channels in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.own_models import brightness, grey_images

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.errors import ModelError
from edge_cifar.evaluation.class_order import other_order
from edge_cifar.importing import pipeline
from edge_cifar.importing.loading import open_model
from edge_cifar.model_options import ModelOptions
from edge_cifar.range_trial import trial

pytest.importorskip("tensorflow", reason="the models are Keras models")

COLOURS = ("red", "green", "blue")


def _coloured(count: int = 90) -> Split:
    labels = np.arange(count) % len(COLOURS)
    images = np.random.default_rng(0).integers(0, 140, (count, 8, 8, 3))
    images[np.arange(count), :, :, labels] += 100
    return Split(images=images.astype(np.uint8), labels=labels)


def _colour(order: tuple[int, ...], scale: float = 1.0) -> Any:
    """A model whose output ``n`` is the strength of the channel ``order[n]``, whatever the range."""
    keras = packages.require_keras()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", use_bias=False),
        ],
        name="colours",
    )
    model.set_weights([np.eye(3, dtype=np.float32)[:, order] * scale])
    return model


def _adapt(model: Any, images: Split, labels: tuple[str, ...]) -> Any:
    network = pipeline.take_apart(open_model(model), ModelOptions(), (8, 8))
    return network.adapt(ModelOptions().preprocessing, images, (8, 8), None, "whole", labels)


def test_red_and_blue_swapped_is_not_taken_for_bgr() -> None:
    with pytest.raises(ModelError, match=r"classes in another order.*--labels blue,green,red; .*takes BGR"):
        _adapt(_colour((2, 1, 0)), _coloured(), COLOURS)


def test_two_classes_that_are_always_mistaken_for_each_other_are_called_reversed() -> None:
    images, labels = grey_images()
    ends = np.isin(labels, (0, 4))
    two = Split(images=images[ends], labels=(labels[ends] == 4).astype(np.int64))
    keras = packages.require_keras()
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.set_weights([np.array([[20, -20]] * 3, np.float32), np.array([-30, 30], np.float32)])
    with pytest.raises(ModelError, match=r"0\.0%.*--labels light,dark$"):
        _adapt(model, two, ("dark", "light"))


def test_bgr_is_still_found_where_rgb_is_no_other_order() -> None:
    # Caffe's means stand in the model's bias; the order of channels decides between five classes of colour.
    keras = packages.require_keras()
    generator = np.random.default_rng(1)
    labels = np.arange(200) % 4
    palette = np.array([[200, 60, 20], [120, 60, 100], [20, 60, 200], [150, 60, 70]])
    images = np.clip(palette[labels][:, None, None] + generator.normal(0, 3, (200, 8, 8, 3)), 0, 255).astype(np.uint8)
    centres = palette[:3, ::-1] - np.array([103.939, 116.779, 123.68])
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)])
    centres = np.concatenate([centres, palette[3:, ::-1] - np.array([103.939, 116.779, 123.68])])
    model.set_weights([centres.T.astype(np.float32), (-(centres**2).sum(1) / 2).astype(np.float32)])
    adapted = _adapt(model, Split(images=images, labels=labels), tuple("abcd"))
    assert adapted.input_range == "ImageNet mean subtracted, BGR"


def test_an_order_is_only_told_from_enough_consistent_mistakes() -> None:
    truth = np.repeat(np.arange(3), 10)
    assert other_order(truth, (truth + 1) % 3, 3) == [2, 0, 1]
    assert other_order(truth, truth, 3) is None
    assert other_order(truth, np.zeros_like(truth), 3) is None
    assert other_order(truth[::4], (truth[::4] + 1) % 3, 3) is None
    assert other_order(truth, np.random.default_rng(0).integers(0, 3, len(truth)), 3) is None


def test_a_file_in_bgr_is_not_called_better_where_its_classes_may_be_swapped() -> None:
    from edge_cifar import input_ranges
    from edge_cifar.preprocessing import Preprocessing

    images = _coloured()
    used = Preprocessing(input_range=(0.0, 255.0), channels="rgb")

    def ask(preprocessing: Preprocessing, numbers: Any) -> Any:
        some = images.images[numbers].mean(axis=(1, 2))
        return some[:, ::-1] if preprocessing.channels != "bgr" else some

    found = trial(input_ranges.to_try(used, Preprocessing()), ask, images.labels)
    assert (found.best, found.better, found.order) == (None, None, (2, 1, 0))


@pytest.mark.parametrize("name", ["model (1)", "modèle", "a;b", "_mine", "模型"])
def test_a_name_that_tensorflow_does_not_take_is_made_one_that_it_does(name: str) -> None:
    images, labels = grey_images()
    network = pipeline.take_apart(open_model(brightness()), ModelOptions(), (8, 8))
    adapted = network.adapt(ModelOptions().preprocessing, Split(images=images, labels=labels), (8, 8), None, name)
    answers = adapted.model.predict(images[:10].astype(np.float32), verbose=0)
    assert (answers.argmax(1) == labels[:10]).all()
