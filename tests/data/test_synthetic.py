"""Synthetic pictures: the same bytes from a seed, neither trivial nor hopeless, and telling about quantization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.pace import times_longer

from edge_cifar.data import Dataset, Split, calibration
from edge_cifar.data.sets import synthetic as pictures


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return pictures.load(train_images=3000, test_images=1000)


def test_a_seed_gives_the_same_bytes_on_every_machine_and_release() -> None:
    # A run's record holds the checksum of its data: when this changes, older runs cannot be exported again.
    checksum = pictures.load(seed=7, train_images=50, test_images=20).checksum
    assert checksum == "0ed7b9d0f5662750762d6991107a2acc4a0f273ef8958dc91dc7add691c3747d"


def test_seeds_and_splits_share_no_pictures(dataset: Dataset) -> None:
    other = pictures.load(seed=1, train_images=1000, test_images=10)
    images = np.concatenate([dataset.train.images, dataset.test.images, other.train.images])
    assert len(np.unique(images.reshape(len(images), -1)[:, :200], axis=0)) == len(images)


def test_classes_are_balanced_and_named(dataset: Dataset) -> None:
    assert np.bincount(dataset.train.labels).tolist() == [300] * 10
    assert len(set(dataset.labels)) == 10
    assert dataset.synthetic
    assert dataset.train.images.shape == (3000, 32, 32, 3)


def test_pictures_cost_little_more_than_their_noise() -> None:
    """Twelve thousand are made for a demo, in seconds."""
    shape = (1200, 32, 32, 3)
    ratio = times_longer(
        lambda: pictures.load(train_images=1000, test_images=200), lambda: np.random.default_rng(0).normal(size=shape)
    )
    # Measured: 2.1 times.
    assert ratio < 6


def test_no_colour_or_place_gives_the_class_away(dataset: Dataset) -> None:
    """A linear classifier of pixels does little better than guessing, so there is something to learn."""
    train, test = (_flat(split) for split in (dataset.train, dataset.test))
    targets = np.eye(10)[dataset.train.labels]
    weights = np.linalg.solve(train.T @ train + 100.0 * np.eye(train.shape[1]), train.T @ targets)
    accuracy = ((test @ weights).argmax(axis=1) == dataset.test.labels).mean()
    assert 0.10 < accuracy < 0.45


def test_the_shape_stands_out_from_the_noise(dataset: Dataset) -> None:
    """Hardly a picture whose strongest contrast is not several times its noise, so it can be learnt."""
    images = dataset.test.images.astype(np.float32)
    smooth = (images[:, :-1, :-1] + images[:, 1:, :-1] + images[:, :-1, 1:] + images[:, 1:, 1:]) / 4
    noise = np.abs(images[:, 1:] - images[:, :-1]).mean(axis=(1, 2, 3)) / 2
    contrast = np.ptp(smooth, axis=(1, 2)).max(axis=1)
    assert (contrast > 4 * noise).mean() > 0.97


def test_one_picture_covers_only_a_part_of_the_range_of_all(dataset: Dataset) -> None:
    """What makes calibration on a single picture fail: its range, and so its activations', is not the set's."""
    images = dataset.train.images.reshape(3000, -1)
    assert (int(images.min()), int(images.max())) == (0, 255)
    ranges = np.ptp(images, axis=1)
    assert np.median(ranges) < 100
    assert np.quantile(ranges, 0.99) < 190


@pytest.mark.slow
def test_a_small_network_learns_it_and_careless_quantization_shows() -> None:
    """Trained to 90 % and more; int8 holds when calibrated well and loses 3 points on a single picture."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    dataset = pictures.load()
    model = _trained(dataset)
    test = dataset.test
    accuracy = _accuracy(model.predict(test.images.astype(np.float32), verbose=0), test)
    assert accuracy >= 0.90

    well = dataset.train.images[calibration.sample(dataset.train, 100, 0)]
    assert accuracy - _accuracy(_int8(model, well, test, per_channel=True), test) < 0.01
    for seed in range(3):
        single = dataset.train.images[calibration.sample(dataset.train, 1, seed)]
        assert accuracy - _accuracy(_int8(model, single, test, per_channel=False), test) >= 0.03


def _flat(split: Split) -> NDArray[np.float64]:
    """Every second pixel of each picture, less its mean colour."""
    small = split.images[:, ::2, ::2].astype(np.float64) / 255.0
    return (small - small.mean(axis=(1, 2), keepdims=True)).reshape(len(small), -1)


def _accuracy(probabilities: NDArray[np.float32], split: Split) -> float:
    return float((probabilities.argmax(axis=1) == split.labels).mean())


def _trained(dataset: Dataset) -> Any:
    import keras

    from edge_cifar import backbones
    from edge_cifar.training import batch_norm
    from edge_cifar.training.assembly import build_model

    keras.utils.set_random_seed(0)
    resnet8 = backbones.get("resnet8")
    model = build_model(keras, resnet8, input_shape=(32, 32, 3), classes=10, image_size=32)
    batch_norm.set_momentum(model, 0.9)
    epochs, batch_size = 12, 64
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(dataset.train) // batch_size)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    model.fit(dataset.train.images, dataset.train.labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def _int8(model: Any, images: NDArray[np.uint8], test: Split, *, per_channel: bool) -> NDArray[np.float32]:
    """Probabilities of the model's int8 TFLite conversion, calibrated on ``images``."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None].astype(np.float32)] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter._experimental_disable_per_channel = not per_channel
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], test.images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], test.images)
    interpreter.invoke()
    probabilities: NDArray[np.float32] = interpreter.get_tensor(sink["index"]).copy()
    return probabilities
