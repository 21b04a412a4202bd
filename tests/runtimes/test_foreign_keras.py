"""Keras models that other people made: Sequential, nested, of any size, with outputs in a dict, in HDF5."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.foreign_models import SIDE, colour_pictures

from edge_cifar import model_files
from edge_cifar.errors import BundleError
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.steps.predict import predict

keras = pytest.importorskip("keras", reason="the model files are made with Keras")
pytest.importorskip("tensorflow", reason="Keras computes with it")

COLOURS = ["class 0", "class 1", "class 2"]


def colour_model(size: int | None = SIDE, *, last: Any = None) -> Any:
    """Classes by the strongest of red, green and blue, of raw pixels."""
    image = keras.Input((size, size, 3))
    dense = keras.layers.Dense(3, activation="softmax", use_bias=False)
    answer = dense(keras.layers.GlobalAveragePooling2D()(image))
    dense.set_weights([20 / 255 * np.eye(3, dtype=np.float32)])
    return keras.Model(image, last(answer) if last else answer)


def nested_model() -> Any:
    """Sequential in Sequential and functional in Sequential, with batch norms and dropout, as tutorials have it."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    block = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    )
    image = keras.Input((8, 8, 4))
    branch = keras.Model(image, layers.Add()([image, block(image)]))
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            branch,
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def likeliest(path: Path, images: list[Path]) -> list[str]:
    return [prediction.answers[0][0] for prediction in predict(path, images)]


@pytest.mark.parametrize("name", ["net.h5", "NET.KERAS", "NET.H5"])
def test_whole_models_load_by_any_suffix(name: str, tmp_path: Path) -> None:
    lower = tmp_path / f"saved{Path(name).suffix.lower()}"
    colour_model().save(lower)
    shutil.move(lower, tmp_path / name)
    assert likeliest(tmp_path / name, colour_pictures(tmp_path)) == COLOURS


def test_a_model_of_any_size_takes_pictures_at_their_own(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    colour_model(None).save(path)
    Image.new("RGB", (5, 9), (0, 255, 0)).save(tmp_path / "narrow.png")
    (prediction,) = predict(path, [tmp_path / "narrow.png"])
    assert (prediction.answers[0][0], prediction.preparation) == ("class 1", "")


def test_one_output_in_a_dict_is_taken_and_several_are_named(tmp_path: Path) -> None:
    colour_model(last=lambda answer: {"probabilities": answer}).save(tmp_path / "one.keras")
    assert likeliest(tmp_path / "one.keras", colour_pictures(tmp_path)) == COLOURS
    colour_model(last=lambda answer: {"a": answer, "b": keras.layers.ReLU()(answer)}).save(tmp_path / "two.keras")
    with pytest.raises(BundleError, match=r"two\.keras has 2 outputs \(a, b\)"):
        model_files.load(tmp_path / "two.keras")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_not_run(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    colour_model(last=keras.layers.Lambda(lambda answer: answer * 2)).save(path)
    with pytest.raises(BundleError, match="contains code"):
        model_files.load(path)


def test_weights_alone_are_told_from_a_model(tmp_path: Path) -> None:
    colour_model().save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(BundleError, match=r"save the whole model with model\.save"):
        model_files.load(tmp_path / "net.weights.h5")


def test_hdf5_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "bomb.h5", "w") as archive:
        archive.create_dataset("weights", shape=(10**9,), dtype="f4", chunks=True, compression="gzip")
    assert (tmp_path / "bomb.h5").stat().st_size < 100_000
    with pytest.raises(BundleError, match="declares 4,000,000,000 bytes of weights"):
        model_files.load(tmp_path / "bomb.h5")


def test_a_model_that_scales_its_pixels_says_so(tmp_path: Path) -> None:
    assert keras_runtime.of_model(nested_model()).range_ground == "stated"
    assert keras_runtime.of_model(colour_model()).range_ground == "assumed"


def test_nested_models_become_one_graph_that_computes_the_same(tmp_path: Path) -> None:
    model = nested_model()
    model.save(tmp_path / "net.keras")
    flat = keras_runtime.load_model(keras, tmp_path / "net.keras")
    kinds = [type(layer).__name__ for layer in flat.layers]
    assert kinds.count("BatchNormalization") == 1
    assert not {"Sequential", "Functional"} & set(kinds)
    assert all(len(layer._inbound_nodes) == 1 for layer in flat.layers)
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(flat.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)
    assert len(keras_runtime.activations(flat, images.astype(np.uint8)).layers) >= 4


def test_what_keras_says_of_files_is_not_shown_where_a_plain_sentence_is_known(tmp_path: Path) -> None:
    inputs = [keras.Input((8, 8, 3), name=name) for name in ("left", "right")]
    both = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()(inputs))
    two = keras.Model(inputs, both)
    two.save(tmp_path / "two.keras")
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x)]).save(tmp_path / "code.keras")
    two.save_weights(tmp_path / "only.weights.h5")
    with pytest.raises(BundleError, match=r"^two\.keras has 2 inputs \(left, right\); an image classifier has one$"):
        model_files.load(tmp_path / "two.keras")
    with pytest.raises(BundleError, match=r"code\.keras cannot be loaded: it contains code \(a Lambda layer\)"):
        model_files.load(tmp_path / "code.keras")
    with pytest.raises(BundleError, match=r"only\.weights\.h5 cannot be loaded: it contains weights only"):
        model_files.load(tmp_path / "only.weights.h5")


def test_a_loaded_model_shows_what_it_takes_and_gives(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.save(tmp_path / "net.keras")
    assert repr(model_files.load(tmp_path / "net.keras")) == "<keras model: images of 8×6 to 4 scores>"
