"""What holds for every backbone: names, recipes, conventions, sizes, and the tf_keras twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import backbones as support

from edge_cifar import backbones
from edge_cifar.errors import UsageError
from edge_cifar.training import phases
from edge_cifar.training.assembly import build_model, trunk_layers

keras = pytest.importorskip("keras", reason="backbones are built with Keras")

NAMES = backbones.names()


def _slow_where_heavy() -> list[object]:
    return [
        pytest.param(name, marks=pytest.mark.slow) if name in support.HEAVY else pytest.param(name) for name in NAMES
    ]


def test_every_backbone_of_the_source_reports_is_there() -> None:
    reported = {
        *("simple-cnn", "custom-cnn", "baseline-cnn", "deep-cnn", "vgg-scratch"),
        *("vgg16", "resnet18", "resnet50", "mobilenet", "mobilenetv2", "inceptionv3"),
        *("resnet8", "resnet20"),
    }
    assert reported <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_file_name_is_the_backbones_name(name: str) -> None:
    backbone = backbones.get(name)
    assert backbone.name == name
    assert Path(backbones.__file__).with_name(f"{name.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_source_is_a_paper_or_a_report(name: str) -> None:
    source = backbones.get(name).source
    assert "https://arxiv.org/abs/" in source or source.startswith("source report")


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_ours_the_sources_and_one_without_weights(name: str) -> None:
    backbone = backbones.get(name)
    assert "default" in backbone.recipes
    # No source report trained MobileNetV3.
    assert "report" in backbone.recipes or name == "mobilenetv3small"
    assert ("scratch" in backbone.recipes) == (backbone.pretrained is not None)
    if backbone.pretrained:
        assert backbone.recipe("default", from_scratch=True) is backbone.recipes["scratch"]


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_within_range(name: str) -> None:
    backbone = backbones.get(name)
    for recipe in backbone.recipes.values():
        assert recipe.image_size >= backbone.minimum_size
        assert 0 < recipe.validation_split < 0.5
        for phase in recipe.phases:
            assert phase.epochs > 0
            assert 0 < phase.learning_rate <= 0.2
            assert phase.warmup_epochs < phase.epochs
            assert list(phase.step_epochs) == sorted(set(phase.step_epochs))
            assert all(0 < epoch < phase.epochs for epoch in phase.step_epochs)


def test_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'report'"):
        backbones.get("deep-cnn").recipe("reprot", from_scratch=True)


@pytest.mark.parametrize("name", _slow_where_heavy())
def test_raw_pixels_become_probabilities(name: str) -> None:
    model = support.built(name)
    images = support.pixels(model.input_shape[1]).astype(np.float32)
    probabilities = np.asarray(model(images, training=False))
    assert probabilities.shape == (len(images), support.CLASSES)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", _slow_where_heavy())
def test_preprocessing_comes_first_and_the_head_last(name: str) -> None:
    model = support.built(name)
    layers = model.layers
    trunk = trunk_layers(model)
    assert layers[-1].name == "head_probabilities"
    positions = [layers.index(layer) for layer in trunk]
    before, behind = layers[: positions[0]], layers[positions[-1] + 1 :]
    assert all(layer.name == "image" or layer.name.startswith("preprocess_") for layer in before)
    assert all(layer.name.startswith("head_") for layer in behind)
    assert len(before) + len(trunk) + len(behind) == len(layers)


@pytest.mark.parametrize("name", _slow_where_heavy())
def test_preprocessing_holds_no_weights(name: str) -> None:
    layers = support.built(name).layers
    assert not any(layer.weights for layer in layers if layer.name.startswith("preprocess_"))


@pytest.mark.parametrize("name", _slow_where_heavy())
def test_every_phase_finds_the_layers_it_trains(name: str) -> None:
    model = support.built(name)
    try:
        for recipe in backbones.get(name).recipes.values():
            for phase in recipe.phases:
                phases.set_trainable(model, phase.trainable)
                trained = phases.trainable_parameters(model)
                assert trained > 0
                if phase.trainable != "all":
                    assert trained < model.count_params()
    finally:
        phases.set_trainable(model, "all")


@pytest.mark.parametrize("name", _slow_where_heavy())
def test_twin_in_tf_keras_has_the_same_weights_in_the_same_order(name: str) -> None:
    """Quantization-aware training starts from ``twin.set_weights(model.get_weights())``."""
    tf_keras = pytest.importorskip("tf_keras", reason="quantization-aware training needs tf_keras")
    model = support.build(keras, name)
    support.scatter_weights(model)
    twin = support.build(tf_keras, name)
    assert [tuple(weight.shape) for weight in twin.weights] == [tuple(weight.shape) for weight in model.weights]
    twin.set_weights(model.get_weights())
    images = support.pixels(model.input_shape[1]).astype(np.float32)
    # What the last layer reads: its softmax may saturate on weights like these, and hide a difference.
    expected, got = (
        np.asarray(namespace.Model(network.input, network.layers[-1].input)(images, training=False))
        for namespace, network in ((keras, model), (tf_keras, twin))
    )
    assert np.ptp(expected, axis=0).max() > 0, "the images are told apart, so agreement means something"
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_image_below_the_minimum_is_refused_with_the_minimum(name: str) -> None:
    backbone = backbones.get(name)
    size = backbone.minimum_size - 1
    with pytest.raises(UsageError, match=f"--image-size of at least {backbone.minimum_size}; got {size}"):
        build_model(keras, backbone, input_shape=(32, 32, 3), classes=10, image_size=size)


@pytest.mark.parametrize("name", ["simple-cnn", "custom-cnn", "baseline-cnn", "resnet18"])
def test_smallest_image_still_leaves_a_feature(name: str) -> None:
    backbone = backbones.get(name)
    size = backbone.minimum_size
    model = build_model(
        keras, backbone, input_shape=(size, size, 3), classes=10, image_size=size, alpha=backbone.alphas[0]
    )
    assert min(trunk_layers(model)[-1].output.shape[1:]) >= 1


@pytest.mark.parametrize("name", [name for name in NAMES if len(backbones.get(name).alphas) > 1])
def test_width_multiplier_makes_a_network_wider(name: str) -> None:
    alphas = backbones.get(name).alphas
    assert alphas == tuple(sorted(alphas))
    assert 1.0 in alphas
    narrow, wide = support.built(name), support.built(name, alphas[1])
    assert narrow.count_params() < wide.count_params()


def test_backbone_without_pretrained_weights_says_so() -> None:
    with pytest.raises(UsageError, match="deep-cnn has no pretrained weights; use --weights none"):
        support.build(keras, "deep-cnn", weights="imagenet")
