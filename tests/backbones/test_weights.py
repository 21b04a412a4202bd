"""Pretrained weights: from a file, carried over to any image size, refused where they do not fit."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import backbones as support

from edge_cifar import backbones
from edge_cifar.backbones.shared.pretrained import WEIGHTS_SIZE, pretrained_trunk
from edge_cifar.errors import TrainingError

keras = pytest.importorskip("keras", reason="backbones are built with Keras")

from edge_cifar.training.assembly import build_model, trunk_layers  # noqa: E402

_WEIGHTS = os.environ.get("EDGE_CIFAR_WEIGHTS")


def _application(name: str, alpha: float, size: int) -> tuple[Any, Any]:
    """Keras' own network without its top, and the preprocessing that belongs to it."""
    applications = keras.applications
    maker, preprocess = {
        "vgg16": (applications.VGG16, applications.vgg16.preprocess_input),
        "resnet50": (applications.ResNet50, applications.resnet50.preprocess_input),
        "inceptionv3": (applications.InceptionV3, applications.inception_v3.preprocess_input),
        "mobilenet": (partial(applications.MobileNet, alpha=alpha), applications.mobilenet.preprocess_input),
        "mobilenetv2": (partial(applications.MobileNetV2, alpha=alpha), applications.mobilenet_v2.preprocess_input),
        # With its own scaling inside, which ours has before it.
        "mobilenetv3small": (
            partial(applications.MobileNetV3Small, alpha=alpha),
            applications.mobilenet_v3.preprocess_input,
        ),
    }[name]
    return maker(input_shape=(size, size, 3), include_top=False, weights=None), preprocess


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in support.HEAVY else name
        for name in backbones.names()
        if backbones.get(name).pretrained
    ],
)
def test_weights_of_the_224_variant_give_keras_own_features_at_another_size(name: str, tmp_path: Path) -> None:
    """Preprocessing, weights and architecture at once: raw pixels in, the features of Keras' network out."""
    alpha = backbones.get(name).alphas[0]
    donor, _ = _application(name, alpha, WEIGHTS_SIZE)
    support.scatter_weights(donor)
    file = tmp_path / "made.weights.h5"
    donor.save_weights(file)
    model = support.build(keras, name, weights=str(file))
    size = model.input_shape[1]
    reference, preprocess = _application(name, alpha, size)
    reference.set_weights(donor.get_weights())

    images = support.pixels(size).astype(np.float32)
    features = np.asarray(keras.Model(model.input, trunk_layers(model)[-1].output)(images, training=False))
    expected = np.asarray(reference(preprocess(images.copy()), training=False))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def made_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of MobileNet 0.25 for 224 pixels, made here."""
    file = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    _application("mobilenet", 0.25, WEIGHTS_SIZE)[0].save_weights(file)
    return file


def test_head_is_left_as_it_was_initialized(made_weights: Path) -> None:
    keras.utils.set_random_seed(3)
    fresh = support.build(keras, "mobilenet").get_layer("head_probabilities").get_weights()
    keras.utils.set_random_seed(3)
    loaded = support.build(keras, "mobilenet", weights=str(made_weights)).get_layer("head_probabilities").get_weights()
    assert [weight.shape for weight in loaded] == [weight.shape for weight in fresh]
    assert np.count_nonzero(loaded[0]) == loaded[0].size


def test_weights_behind_a_head_of_another_class_count_are_taken_without_the_head(tmp_path: Path) -> None:
    donor = build_model(
        keras, backbones.get("mobilenet"), input_shape=(32, 32, 3), classes=3, image_size=32, alpha=0.25
    )
    support.scatter_weights(donor)
    file = tmp_path / "three.weights.h5"
    donor.save_weights(file)
    model = support.build(keras, "mobilenet", weights=str(file))
    assert model.output_shape == (None, support.CLASSES)
    for theirs, ours in zip(trunk_layers(donor), trunk_layers(model), strict=True):
        for given, taken in zip(theirs.get_weights(), ours.get_weights(), strict=True):
            np.testing.assert_array_equal(taken, given)


@pytest.mark.parametrize(("name", "alpha"), [("mobilenet", 0.5), ("mobilenetv2", 0.35), ("vgg16", 1.0)])
def test_weights_of_another_architecture_are_refused(name: str, alpha: float, made_weights: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        support.build(keras, name, alpha=alpha, weights=str(made_weights))
    message = str(caught.value)
    assert "\n" not in message
    assert f"the weights in {made_weights} do not fit" in message


def test_missing_weights_file_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"no weights file at .*missing\.h5; --weights takes a file, imagenet or none"
    ):
        support.build(keras, "mobilenet", weights=str(tmp_path / "missing.h5"))


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"no weights at all" * 100])
@pytest.mark.parametrize("suffix", [".h5", ".weights.h5", ".txt", ".keras"])
def test_file_that_holds_no_weights_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(content)
    with pytest.raises(TrainingError, match="do not fit"):
        support.build(keras, "mobilenet", weights=str(file))


def test_download_that_fails_is_one_sentence_with_a_way_out() -> None:
    def offline(*, input_shape: tuple[int, ...], include_top: bool, weights: str | None) -> Any:
        raise Exception("URL fetch failure on https://example.invalid: None -- no route to host\nmore")

    with pytest.raises(TrainingError, match=r"are not available \(URL fetch.*no route to host\); use --weights FILE"):
        pretrained_trunk(offline, "imagenet")


def test_download_speaks_on_standard_error_only(capsys: pytest.CaptureFixture[str]) -> None:
    def application(*, input_shape: tuple[int, ...], include_top: bool, weights: str | None) -> str:
        print("Downloading data")
        return f"{input_shape} {include_top} {weights}"

    assert pretrained_trunk(application, "imagenet") == "(224, 224, 3) False imagenet"
    assert capsys.readouterr() == ("", "Downloading data\n")


@pytest.mark.skipif(not _WEIGHTS, reason="EDGE_CIFAR_WEIGHTS names no folder with Keras' ImageNet weights files")
@pytest.mark.parametrize(
    ("name", "alpha", "file", "first"),
    [
        ("mobilenet", 0.25, "mobilenet_2_5_224_tf_no_top.h5", "conv1"),
        ("mobilenetv2", 0.35, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5", "Conv1"),
        ("mobilenetv2", 1.0, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "Conv1"),
    ],
)
def test_published_weights_reach_the_network_at_96_pixels(name: str, alpha: float, file: str, first: str) -> None:
    import h5py

    path = Path(str(_WEIGHTS)) / file
    model = build_model(
        keras,
        backbones.get(name),
        input_shape=(32, 32, 3),
        classes=10,
        image_size=96,
        alpha=alpha,
        weights=str(path),
    )
    with h5py.File(path) as stored:
        names = [layer for layer in stored.attrs["layer_names"] if len(stored[layer].attrs["weight_names"])]
        published = {
            layer: [stored[layer][weight][()] for weight in stored[layer].attrs["weight_names"]] for layer in names
        }
    trunk = [layer for layer in trunk_layers(model) if layer.weights]
    assert trunk[0].name == first
    assert len(trunk) == len(published)
    for layer, weights in zip(trunk, published.values(), strict=True):
        for ours, theirs in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours.ravel(), theirs.ravel())
