"""Models whose graph Keras does not know: they are traced, and what could do harm is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.own_models import brightness, grey_images

from edge_cifar import packages, traced_graph
from edge_cifar.converters.shared import tf_graph
from edge_cifar.data import Split
from edge_cifar.errors import BundleError, ModelError
from edge_cifar.importing import pipeline
from edge_cifar.importing.loading import open_model
from edge_cifar.importing.network import Adapted
from edge_cifar.model_options import ModelOptions, Told
from edge_cifar.runtimes import keras as keras_runtime

tensorflow = pytest.importorskip("tensorflow", reason="graphs are TensorFlow's")

PIXELS, LABELS = grey_images(60)


@pytest.fixture
def keras() -> Any:
    return packages.require_keras()


def _adapted(source: Any, **options: Any) -> Adapted:
    told = ModelOptions.of(Told(input_range="0,1"))
    network = pipeline.take_apart(open_model(source, **options), told, (8, 8))
    images = Split(images=PIXELS, labels=LABELS)
    return network.adapt(told.preprocessing, images, (8, 8), None, "whole")


def _right(model: Any) -> bool:
    return bool((np.asarray(model(PIXELS.astype(np.float32), training=False)).argmax(1) == LABELS).all())


def _carried(model: Any, folder: Path) -> Any:
    """The model as another process finds it, and as converters see it."""
    model.save(folder / "carried.keras")
    loaded = keras_runtime.load_model(packages.require_keras(), folder / "carried.keras")
    graph = tf_graph.frozen(loaded, batch=1).graph.as_graph_def()
    assert not graph.library.function
    return loaded


def _halved_and_doubled(keras: Any) -> Any:
    class Twice(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return tensorflow.raw_ops.Mul(x=x, y=2.0)

    return brightness(before=(keras.layers.Rescaling(0.5), Twice(name="twice")))


def test_a_layer_of_ones_own_becomes_a_graph_and_the_others_stay_layers(keras: Any, tmp_path: Path) -> None:
    adapted = _adapted(_halved_and_doubled(keras))
    assert _right(adapted.model)
    kinds = {layer.name: type(layer).__name__ for layer in adapted.model.layers}
    assert (kinds["twice"], kinds["scores"]) == ("TracedGraph", "Dense")
    assert _right(_carried(adapted.model, tmp_path))


def test_trusted_code_does_not_travel(keras: Any, tmp_path: Path) -> None:
    model = brightness(before=(keras.layers.Lambda(lambda x: x * 1.0, name="code"),))
    model.save(tmp_path / "code.keras")
    adapted = _adapted(tmp_path / "code.keras", trust=True)
    # Loaded again without trust.
    assert _right(_carried(adapted.model, tmp_path))


def _subclassed(keras: Any, *, with_tensorflow: bool) -> Any:
    inner = brightness()

    class Own(keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(name="own")
            self.inner = inner.layers

        def call(self, x: Any) -> Any:
            for layer in self.inner:
                x = layer(x)
            return tensorflow.raw_ops.Identity(input=x) if with_tensorflow else x

    model = Own()
    model(np.zeros((1, 8, 8, 3), np.float32))
    return model


@pytest.mark.parametrize("with_tensorflow", [False, True])
def test_a_model_of_ones_own_class_is_traced(keras: Any, tmp_path: Path, with_tensorflow: bool) -> None:
    adapted = _adapted(_subclassed(keras, with_tensorflow=with_tensorflow))
    assert any(type(layer).__name__ == "TracedGraph" for layer in adapted.model.layers) == with_tensorflow
    assert _right(_carried(adapted.model, tmp_path))


def test_what_has_no_weights_yet_is_refused(keras: Any) -> None:
    class Own(keras.Model):  # type: ignore[misc,name-defined]
        pass

    for model in (Own(), keras.Sequential([keras.layers.Conv2D(3, 3)])):
        with pytest.raises(ModelError, match="has no weights yet"):
            _adapted(model)


def test_a_layer_that_cannot_be_traced_is_named(keras: Any) -> None:
    class Untraceable(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return x.numpy()

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    model = keras.Sequential([keras.Input((8, 8, 3)), Untraceable(name="odd"), keras.layers.Flatten()])
    with pytest.raises(ModelError, match="layer of its own, 'odd', which TensorFlow cannot trace"):
        _adapted(model)


def test_a_saved_model_of_keras_3_goes_on_as_a_graph(tmp_path: Path) -> None:
    brightness().export(tmp_path / "mine", verbose=False)
    opened = open_model(tmp_path / "mine")
    assert (opened.name, opened.file, len(opened.sha256 or "")) == ("mine", "mine", 64)
    assert _right(_carried(_adapted(tmp_path / "mine").model, tmp_path))


def test_a_saved_model_of_keras_2_goes_on_as_a_graph(tmp_path: Path) -> None:
    keras_2 = pytest.importorskip("tf_keras")
    given = brightness()
    model = keras_2.Sequential(
        [keras_2.layers.GlobalAveragePooling2D(input_shape=(8, 8, 3)), keras_2.layers.Dense(1), keras_2.layers.Dense(5)]
    )
    model.set_weights(given.get_weights())
    tensorflow.saved_model.save(model, str(tmp_path / "old"))
    adapted = _adapted(tmp_path / "old")
    assert "softmax was added" in adapted.output
    assert _right(_carried(adapted.model, tmp_path))


def _reading(folder: Path) -> Path:
    def call(x: Any) -> Any:
        held = tensorflow.cast(tensorflow.strings.length(tensorflow.io.read_file("/etc/hostname")), tensorflow.float32)
        return {"scores": tensorflow.reduce_mean(x, axis=(1, 2)) + 0 * held}

    module = tensorflow.Module()
    spec = tensorflow.TensorSpec((None, 8, 8, 3), tensorflow.float32, name="x")
    module.serve = tensorflow.function(call, input_signature=[spec])
    tensorflow.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def test_a_graph_that_reads_files_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    folder = _reading(tmp_path / "reads")
    with pytest.raises(ModelError, match=r"could read or write files, or run code: it has ReadFile; .*--trust"):
        open_model(folder)


def test_a_keras_file_whose_graph_reads_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced_graph, "demand_harmless", lambda operations: None)
    model = open_model(_reading(tmp_path / "reads"), trust=True).model
    model.save(tmp_path / "harm.keras")
    monkeypatch.undo()
    with pytest.raises(BundleError, match="can be loaded") as caught:
        keras_runtime.read(packages.require_keras(), tmp_path / "harm.keras")
    assert "ReadFile" in str(caught.value.__cause__)


def test_a_damaged_saved_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\x07nothing")
    with pytest.raises(ModelError, match="cannot be loaded as a SavedModel"):
        open_model(tmp_path / "broken")
