"""What is read from a Keras model's graph, of Keras 3 and of tf_keras alike."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from edge_cifar import keras_graph, packages

pytest.importorskip("tensorflow", reason="the models are Keras models")


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> Any:
    if not packages.installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    packages.require_tensorflow()
    return importlib.import_module(request.param)


@pytest.fixture
def model(keras: Any) -> Any:
    """One of everything that decides whether a batch normalization folds."""
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    stem = layers.BatchNormalization(name="stem_bn")(layers.Conv2D(4, 3, use_bias=False, name="stem")(image))
    relu = layers.ReLU(name="relu")(stem)
    active = layers.Conv2D(4, 1, activation="relu", name="active")(relu)
    active = layers.BatchNormalization(name="active_bn")(active)
    shared = layers.DepthwiseConv2D(1, name="shared")(relu)
    branch = layers.BatchNormalization(name="shared_bn")(shared)
    joined = layers.Add(name="joined")([active, branch, shared])
    pooled = layers.GlobalAveragePooling2D(name="pool")(joined)
    dense = layers.BatchNormalization(name="dense_bn")(layers.Dense(5, name="dense")(pooled))
    return keras.Model(image, layers.Dense(2, activation="softmax", name="head")(dense))


def _names(layers: list[Any]) -> list[str]:
    return [layer.name for layer in layers]


def test_a_batch_normalization_folds_into_what_it_alone_reads_with_no_activation_between(model: Any) -> None:
    graph = keras_graph.Graph(model)
    folded = {layer.name: into.name for layer in model.layers if (into := graph.folded(layer)) is not None}
    # "active" has an activation, "shared" a second reader, "head" none.
    assert folded == {"stem": "stem_bn", "dense": "dense_bn"}


def test_readers_and_sources_are_those_of_the_layers_inputs_and_outputs(model: Any) -> None:
    graph = keras_graph.Graph(model)
    assert sorted(_names(graph.readers(model.get_layer("relu")))) == ["active", "shared"]
    assert _names(graph.sources(model.get_layer("joined"))) == ["active_bn", "shared_bn", "shared"]
    assert graph.sole_reader(model.get_layer("relu")) is None
    assert graph.sole_reader(model.get_layer("joined")) is model.get_layer("pool")
    assert graph.sole_reader(model.get_layer("head")) is None
    assert graph.sources(model.get_layer("image")) == []


def test_a_layer_that_reads_a_tensor_twice_is_two_readers(keras: Any) -> None:
    image = keras.Input((4, 4, 3))
    convolution = keras.layers.Conv2D(2, 1)
    hidden = convolution(image)
    graph = keras_graph.Graph(keras.Model(image, keras.layers.Add()([hidden, hidden])))
    assert len(graph.readers(convolution)) == 2


def test_what_another_model_does_with_a_layer_changes_nothing(keras: Any, model: Any) -> None:
    other = model.get_layer("stem")(keras.Input((8, 8, 3)))
    keras.layers.ReLU()(other)
    graph = keras_graph.Graph(model)
    assert graph.folded(model.get_layer("stem")) is model.get_layer("stem_bn")
    assert len(graph.nodes(model.get_layer("stem"))) == 1


def test_nodes_stand_behind_those_that_they_read(model: Any) -> None:
    seen: list[Any] = []
    for node in keras_graph.nodes(model):
        assert all(any(source is earlier for earlier in seen) for source in node.parent_nodes)
        seen.append(node)
    assert len(seen) == len(model.layers)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_scale_and_shift_are_what_a_batch_normalization_does_in_inference(
    keras: Any, scale: bool, center: bool
) -> None:
    layer = keras.layers.BatchNormalization(scale=scale, center=center, epsilon=0.01)
    layer.build((None, 3))
    random = np.random.default_rng(0)
    layer.set_weights([random.uniform(0.5, 2, 3).astype(np.float32) for _ in layer.get_weights()])
    values = random.normal(size=(5, 3)).astype(np.float32)
    factor, offset = keras_graph.scale_and_shift(layer)
    assert factor.dtype == offset.dtype == np.float32
    np.testing.assert_allclose(values * factor + offset, layer(values, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 3}),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}),
        ("Dense", {"units": 6}),
    ],
)
def test_a_kernel_by_filter_has_a_column_for_each_output_channel(
    keras: Any, name: str, options: dict[str, int]
) -> None:
    image = keras.Input((5, 5, 3))
    layer = getattr(keras.layers, name)(**options)
    model = keras.Model(image, layer(image))
    images = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    before = np.asarray(model(images))
    kernel, bias = layer.get_weights()
    factors = np.arange(1, 7, dtype=np.float32)
    columns = keras_graph.by_filter(layer, kernel) * factors
    layer.set_weights([columns.reshape(kernel.shape), bias])
    np.testing.assert_allclose(model(images), before * factors, rtol=1e-5, atol=1e-5)


def test_weighted_layers_come_in_the_order_in_which_they_are_computed(model: Any) -> None:
    assert _names(keras_graph.weighted(model)) == ["stem", "active", "shared", "dense", "head"]


def test_layers_of_models_inside_a_model_stand_in_their_place(keras: Any) -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="inner")])
    image = keras.Input((4,), name="image")
    outer = keras.Model(image, keras.layers.Dense(2, name="outer")(inner(image)))
    found = [layer.name for layer in keras_graph.layers(outer) if keras_graph.kind(layer) != "InputLayer"]
    assert found == ["inner", "outer"]


def test_a_flat_model_computes_what_the_nested_one_does_with_layers_of_its_own() -> None:
    import keras

    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), keras.layers.Conv2D(4, 3, name="inner"), keras.layers.BatchNormalization(name="bn")]
    )
    image = keras.Input((8, 8, 3), name="image")
    nested = keras.Model(image, inner(keras.layers.Conv2D(4, 1, name="first")(image)))
    flat = keras_graph.flat(keras, keras.Sequential([keras.Input((8, 8, 3)), nested]))
    assert keras_graph.kind(flat) == "Functional"
    assert _names(keras_graph.weighted(flat)) == ["first", "inner"]
    assert keras_graph.Graph(flat).folded(flat.get_layer("inner")) is flat.get_layer("bn")
    assert flat.get_layer("inner") is not inner.get_layer("inner")
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(flat(images), nested(images), rtol=1e-6)
    assert keras_graph.flat(keras, flat) is flat
