"""Architectures held to their sources: layer tables of the reports, published numbers of parameters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support import backbones as support

from edge_cifar import backbones
from edge_cifar.training.assembly import trunk_layers

pytest.importorskip("keras", reason="backbones are built with Keras")

_CONVOLUTION, _NORMALIZATION, _POOLING, _DROPOUT, _DENSE = (
    "Conv2D",
    "BatchNormalization",
    "MaxPooling2D",
    "Dropout",
    "Dense",
)

# The report's own table, block by block: convolution, batch normalization, convolution.
_DEEP_CNN = [
    *[(_CONVOLUTION, 2_432), (_NORMALIZATION, 128), (_CONVOLUTION, 9_248), (_POOLING, 0), (_DROPOUT, 0)],
    *[(_CONVOLUTION, 18_496), (_NORMALIZATION, 256), (_CONVOLUTION, 36_928), (_POOLING, 0), (_DROPOUT, 0)],
    *[(_CONVOLUTION, 73_856), (_NORMALIZATION, 512), (_CONVOLUTION, 147_584), (_POOLING, 0), (_DROPOUT, 0)],
    *[(_CONVOLUTION, 295_168), (_NORMALIZATION, 1_024), (_CONVOLUTION, 590_080), (_POOLING, 0), (_DROPOUT, 0)],
    *[(_CONVOLUTION, 1_180_160), (_NORMALIZATION, 2_048), (_CONVOLUTION, 2_359_808), (_POOLING, 0), (_DROPOUT, 0)],
    ("GlobalAveragePooling2D", 0),
    *[(_DENSE, 525_312), (_DROPOUT, 0)],
    *[(_DENSE, 524_800), (_DROPOUT, 0)],
    (_DENSE, 5_130),
]

# The report's own table; its batch normalization of 590,080 parameters is a slip for 1,024.
_VGG_SCRATCH = [
    *[(_CONVOLUTION, 1_792), (_NORMALIZATION, 256), (_CONVOLUTION, 36_928), (_NORMALIZATION, 256), (_POOLING, 0)],
    *[(_CONVOLUTION, 73_856), (_NORMALIZATION, 512), (_CONVOLUTION, 147_584), (_NORMALIZATION, 512), (_POOLING, 0)],
    *[(_CONVOLUTION, 295_168), (_NORMALIZATION, 1_024), (_CONVOLUTION, 590_080), (_NORMALIZATION, 1_024)],
    (_POOLING, 0),
    *[(_CONVOLUTION, 1_180_160), (_NORMALIZATION, 2_048), (_CONVOLUTION, 2_359_808), (_NORMALIZATION, 2_048)],
    (_POOLING, 0),
    *[(_CONVOLUTION, 2_359_808), (_NORMALIZATION, 2_048), (_CONVOLUTION, 2_359_808), (_NORMALIZATION, 2_048)],
    (_POOLING, 0),
    ("Flatten", 0),
    *[(_DENSE, 2_101_248), (_DROPOUT, 0)],
    *[(_DENSE, 16_781_312), (_DROPOUT, 0)],
    (_DENSE, 40_970),
]


def test_five_backbones_have_every_kind_of_layer() -> None:
    def kinds(name: str) -> set[tuple[str, str]]:
        layers = support.built(name).layers
        return {(type(layer).__name__, getattr(getattr(layer, "activation", None), "__name__", "")) for layer in layers}

    known = set().union(*map(kinds, support.WITH_EVERY_LAYER))
    assert {name: kinds(name) - known for name in backbones.names() if kinds(name) - known} == {}


def _table(model: Any) -> list[tuple[str, int]]:
    """Class and parameters of each layer behind the preprocessing."""
    return [
        (type(layer).__name__, layer.count_params())
        for layer in model.layers
        if layer.name != "image" and not layer.name.startswith("preprocess_")
    ]


def test_deep_cnn_has_the_reports_layers() -> None:
    model = support.built("deep-cnn", 1.0)
    assert _table(model) == _DEEP_CNN
    assert model.count_params() == 5_772_970
    assert model.get_layer("block1_conv1").kernel_size == (5, 5)


def test_vgg_scratch_has_the_reports_layers() -> None:
    model = support.built("vgg-scratch", 1.0)
    assert _table(model) == _VGG_SCRATCH
    assert model.count_params() == 28_340_298


def test_simple_cnn_has_the_reports_layers() -> None:
    model = support.built("simple-cnn", 1.0)
    assert [kind for kind, _ in _table(model)] == [
        *[_CONVOLUTION, _NORMALIZATION, "ReLU", _POOLING],
        *[_CONVOLUTION, _NORMALIZATION, "ReLU", _POOLING],
        *[_CONVOLUTION, _NORMALIZATION, "ReLU"],
        *["Flatten", _DENSE, _DROPOUT, _DENSE],
    ]
    assert [layer.filters for layer in model.layers if type(layer).__name__ == _CONVOLUTION] == [32, 64, 128]
    assert model.get_layer("head_dense").units == 512
    assert model.get_layer("head_dense_dropout").rate == 0.5


def test_custom_cnn_has_three_pooled_convolutions_and_two_dense_layers() -> None:
    kinds = [kind for kind, _ in _table(support.built("custom-cnn", 1.0))]
    assert kinds.count(_CONVOLUTION) == kinds.count(_POOLING) == 3
    assert kinds[kinds.index("Flatten") :] == ["Flatten", _DENSE, _DROPOUT, _DENSE, _DROPOUT, _DENSE]


def test_baseline_cnn_repeats_the_reports_block() -> None:
    model = support.built("baseline-cnn", 1.0)
    kinds = [kind for kind, _ in _table(model)]
    assert kinds == [_CONVOLUTION, _NORMALIZATION, _POOLING, _DROPOUT] * 4 + ["Flatten", _DENSE]
    first = model.get_layer("block1_conv")
    assert (first.filters, first.kernel_size, first.activation.__name__) == (32, (3, 3), "relu")


def test_vgg16_has_the_reports_head() -> None:
    model = support.built("vgg16")
    head = [layer for layer in model.layers if layer.name.startswith("head_")]
    assert [type(layer).__name__ for layer in head] == ["Flatten", _DENSE, _DROPOUT, _DENSE]
    assert (head[1].units, head[2].rate, head[3].units) == (256, 0.5, 10)


@pytest.mark.parametrize(
    ("name", "layers", "trainable"),
    [
        # 18 and 20: convolutions outside the shortcuts, and the dense layer.
        ("resnet18", 18, 11_173_962),
        ("resnet20", 20, 272_474),
    ],
)
def test_residual_networks_have_their_depth_and_size(name: str, layers: int, trainable: int) -> None:
    model = support.built(name, 1.0)
    counted = [
        layer
        for layer in model.layers
        if type(layer).__name__ in (_CONVOLUTION, _DENSE) and "shortcut" not in layer.name
    ]
    assert len(counted) == layers
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trainable


def test_resnet18_keeps_the_resolution_of_small_images_in_its_stem() -> None:
    model = support.built("resnet18")
    assert model.get_layer("stem_bn_relu").output.shape[1:3] == (32, 32)
    assert trunk_layers(model)[-1].output.shape[1:3] == (4, 4)


# As keras.applications states them for include_top=False.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vgg16", 14_714_688),
        pytest.param("resnet50", 23_587_712, marks=pytest.mark.slow),
        pytest.param("inceptionv3", 21_802_784, marks=pytest.mark.slow),
        ("mobilenet", 3_228_864),
        ("mobilenetv2", 2_257_984),
        ("mobilenetv3small", 939_120),
    ],
)
def test_pretrained_trunks_have_the_published_size(name: str, parameters: int) -> None:
    assert sum(layer.count_params() for layer in trunk_layers(support.built(name, 1.0))) == parameters
