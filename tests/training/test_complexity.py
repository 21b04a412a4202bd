"""Multiply-adds against the figures that papers and frameworks publish."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
from support import backbones as support

from edge_cifar import backbones
from edge_cifar.training.complexity import layer_costs, multiply_adds


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    return pytest.importorskip("keras", reason="backbones are built with Keras")


def test_mobilenetv2_costs_what_its_paper_says(keras: ModuleType) -> None:
    # Sandler et al. 2018, table 4: 300 M multiply-adds, 3.4 M parameters (moving statistics not counted).
    model = keras.applications.MobileNetV2(weights=None)
    assert multiply_adds(model) / 1e6 == pytest.approx(300, rel=0.01)


def test_mobilenet_costs_what_its_paper_says(keras: ModuleType) -> None:
    # Howard et al. 2017, table 4: 569 M multiply-adds.
    assert multiply_adds(keras.applications.MobileNet(weights=None)) / 1e6 == pytest.approx(569, rel=0.001)


def test_resnet8_costs_what_mlperf_tiny_says() -> None:
    # Banbury et al. 2021: 12.5 M multiply-adds. That the network has them: tests/steps/test_models.py.
    resnet8 = backbones.get("resnet8")
    assert resnet8.multiply_adds / 1e6 == pytest.approx(12.5, rel=0.01)
    assert resnet8.parameters == 78_666


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("simple-cnn", "resnet20", "mobilenet") else pytest.param(name, marks=pytest.mark.slow)
        for name in backbones.names()
    ],
)
def test_layers_cost_what_the_operations_of_tensorflows_graph_do(name: str) -> None:
    """Counted anew from what is computed: output positions times kernel, for every convolution and product."""
    tf = pytest.importorskip("tensorflow", reason="the graph is TensorFlow's")
    model = support.built(name)
    specification = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    graph = tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(specification).graph
    counted = 0
    for operation in graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            positions = math.prod(operation.outputs[0].shape[1:-1])
            counted += positions * math.prod(operation.inputs[1].shape)
    assert multiply_adds(model) == counted


def test_each_kind_of_layer_by_hand(keras: ModuleType) -> None:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((7, 7, 5)), layers.Conv2D(2, 3, groups=1, padding="same", use_bias=False)])
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.SeparableConv2D(5, 1),
            inner,
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    costs = {cost.type: cost for cost in layer_costs(model)}
    assert costs["DepthwiseConv2D"].multiply_adds == 7 * 7 * 3 * 3 * 8 * 2
    assert costs["SeparableConv2D"].multiply_adds == 7 * 7 * (16 + 16 * 5)
    assert costs["Conv2D"].multiply_adds == 7 * 7 * 3 * 3 * 5 * 2  # the nested one, listed last
    assert costs["Dense"].multiply_adds == 7 * 7 * 2 * 10
    assert costs["BatchNormalization"].multiply_adds == 0
    first = 7 * 7 * 3 * 3 * 3 * 8
    assert multiply_adds(model) == first + sum(cost.multiply_adds for cost in costs.values())
    assert sum(cost.parameters for cost in layer_costs(model)) == model.count_params()


def test_kernel_of_an_unknown_kind_is_refused(keras: ModuleType) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2DTranspose(4, 3, name="up")])
    with pytest.raises(TypeError, match="layer up \\(Conv2DTranspose\\)"):
        multiply_adds(model)
