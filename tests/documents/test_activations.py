"""Samples of a Keras model's layers: which elements are kept, what is left out, and damaged files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_cifar.documents.activations import VALUES, Activations, Layer, positions
from edge_cifar.errors import BundleError


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300), st.integers(1, 4))
@settings(deadline=None)
def test_positions_are_distinct_and_visit_every_channel_equally_often(
    height: int, width: int, channels: int, images: int
) -> None:
    size = height * width * channels
    chosen = positions(size, images)
    assert chosen.shape == (images, min(size, VALUES))
    assert chosen.min() >= 0
    assert chosen.max() < size
    for image in chosen:
        assert len(set(image.tolist())) == len(image)
        assert np.ptp(np.bincount(image % channels, minlength=channels)) <= 1


def test_images_look_at_different_places_of_a_large_layer() -> None:
    first, second = positions(10 * VALUES, 2)
    assert not set(first.tolist()) & set(second.tolist())


def _activations() -> Activations:
    values = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    return Activations(
        images=2,
        layers=(
            Layer(name="a", kind="ReLU", shape=(2, 2, 3), sources=(), values=values),
            Layer(name="b", kind="Add", shape=(12,), sources=(0,), values=values + 1),
        ),
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = _activations()
    written.write(tmp_path / "activations.npz")
    read = Activations.read(tmp_path / "activations.npz")
    assert read.images == 2
    for ours, theirs in zip(written.layers, read.layers, strict=True):
        assert (ours.name, ours.kind, ours.shape, ours.sources) == (
            theirs.name,
            theirs.kind,
            theirs.shape,
            theirs.sources,
        )
        np.testing.assert_array_equal(ours.values, theirs.values)


def _other(**changes: Any) -> bytes:
    """The file with some of its arrays replaced."""
    stream = io.BytesIO()
    layers = _activations().layers
    arrays = {
        "images": np.array(2),
        "names": np.array(["a", "b"]),
        "kinds": np.array(["ReLU", "Add"]),
        "edges": np.array([[0, 1]]),
        **{f"shape_{number}": np.array(layer.shape) for number, layer in enumerate(layers)},
        **{f"values_{number}": layer.values for number, layer in enumerate(layers)},
    }
    np.savez(stream, **{**arrays, **changes})
    return stream.getvalue()


def test_an_unchanged_file_of_the_same_arrays_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(_other())
    assert len(Activations.read(tmp_path / "a.npz").layers) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        _other()[:300],
        _other(images=np.array(0)),
        _other(images=np.array(400)),
        _other(images=np.array([1, 2])),
        _other(kinds=np.array(["ReLU"])),
        _other(edges=np.array([[1, 0]])),
        _other(edges=np.array([[-1, 1]])),
        _other(edges=np.array([0, 1])),
        _other(shape_0=np.array([10**6, 10**6, 3])),
        _other(shape_1=np.array([0])),
        _other(values_1=np.zeros((2, 12))),
        _other(values_1=np.zeros((2, 11), np.float32)),
        _other(names=np.array([object(), object()])),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BundleError, match=r"activations .* damaged"):
        Activations.read(tmp_path / "a.npz")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="export again"):
        Activations.read(tmp_path / "a.npz")


def test_layers_that_no_converted_network_holds_are_left_out(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    from edge_cifar.runtimes import keras as runtime

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255, name="scale")(image)
    folded = layers.Conv2D(4, 3, name="folded")(x)
    norm = layers.BatchNormalization(name="norm")(folded)
    active = layers.Conv2D(4, 3, activation="relu", padding="same", name="active")(norm)
    joined = layers.Add(name="joined")([norm, active])
    dropped = layers.Dropout(0.5, name="dropped")(joined)
    flat = layers.Flatten(name="flat")(dropped)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="answer")(flat))
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    activations = runtime.activations(model, images)
    names = [layer.name for layer in activations.layers]
    assert names == ["scale", "norm", "active", "joined", "answer"]
    sources = {layer.name: {names[source] for source in layer.sources} for layer in activations.layers}
    assert sources == {
        "scale": set(),
        "norm": {"scale"},
        "active": {"norm"},
        "joined": {"norm", "active"},
        "answer": {"joined"},
    }
    answers = model.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(activations.layers[-1].values, answers, atol=1e-6)
    activations.write(tmp_path / "a.npz")
    assert zipfile.is_zipfile(tmp_path / "a.npz")


def test_a_bundle_lists_its_activations(tiny_bundle: Any) -> None:
    from edge_cifar.storage import files

    claim = tiny_bundle.activations
    assert claim.sha256 == files.sha256(tiny_bundle.activations_path)
    activations = Activations.read(tiny_bundle.activations_path)
    assert activations.images == claim.images == 4
    assert tiny_bundle.activations_path.stat().st_size < len(activations.layers) * 17_000
