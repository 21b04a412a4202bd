"""Opening models made elsewhere: which are taken, and the sentence for each that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.own_models import brightness

from edge_cifar import packages
from edge_cifar.errors import ModelError, UsageError
from edge_cifar.importing.loading import open_model
from edge_cifar.storage import files

pytest.importorskip("tensorflow", reason="the models are Keras models")

OWN = """
import keras
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_is_opened_with_its_name_and_checksum(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    brightness().save(path)
    opened = open_model(path)
    assert (opened.name, opened.file, opened.sha256) == ("mine", f"mine{suffix}", files.sha256(path))
    assert opened.model.layers[-1].units == 5


def test_a_model_in_memory_is_taken_as_it_is() -> None:
    model = brightness()
    opened = open_model(model)
    assert (opened.model, opened.name, opened.file) == (model, "brightness", None)


def test_a_model_of_keras_2_in_memory_answers_the_same() -> None:
    keras_2 = pytest.importorskip("tf_keras")
    model = keras_2.Sequential([keras_2.layers.Conv2D(3, 3, input_shape=(6, 6, 3)), keras_2.layers.Flatten()])
    images = np.random.default_rng(0).random((2, 6, 6, 3), np.float32)
    assert np.allclose(open_model(model).model(images), model(images), atol=1e-6)


def _lambda(path: Path) -> None:
    keras = packages.require_keras()
    layers = [keras.Input((4, 4, 3)), keras.layers.Lambda(lambda x: x / 255), keras.layers.Flatten()]
    keras.Sequential(layers).save(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_run_only_where_it_is_trusted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"code{suffix}"
    _lambda(path)
    with pytest.raises(ModelError, match=r"contains code \(a Lambda layer\).*add --trust"):
        open_model(path)
    assert open_model(path, trust=True).model.layers[0].name.startswith("lambda")


def test_a_layer_of_ones_own_is_loaded_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_layers_for_test.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_layers_for_test  # type: ignore[import-not-found]

    brightness(before=(own_layers_for_test.Doubled(),)).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"contains Doubled, which is not part of Keras; .* --custom module:Doubled"):
        open_model(tmp_path / "own.keras")
    opened = open_model(tmp_path / "own.keras", custom=["own_layers_for_test:Doubled"])
    assert type(opened.model.layers[0]).__name__ == "Doubled"


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ("Swish", "takes module:Name"),
        ("no_such_module_here:Swish", "cannot be imported"),
        ("pathlib:Swish", "pathlib has no Swish"),
    ],
)
def test_a_custom_object_that_cannot_be_had_is_refused(tmp_path: Path, custom: str, said: str) -> None:
    brightness().save(tmp_path / "mine.keras")
    with pytest.raises(UsageError, match=said):
        open_model(tmp_path / "mine.keras", custom=[custom])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.pt", "PyTorch file; write it as ONNX with torch.onnx.export"),
        ("a.pb", "TensorFlow graph without its model"),
        ("a.weights.h5", "weights only"),
        ("a.tflite", "converted already"),
        ("a.zip", "must end in .keras, .h5"),
        ("a.keras", "not a Keras model that can be loaded"),
        ("a.h5", "not a Keras model that can be loaded"),
        ("saved/saved_model.pb", "name its folder"),
    ],
)
def test_files_of_other_kinds_are_refused_with_the_way_out(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"something else")
    with pytest.raises(ModelError, match=said):
        open_model(path)


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a.keras", b"\x89HDF\r\n\x1a\n...", r"is an HDF5 file; rename it to a\.h5"),
        ("a.h5", b"PK\x03\x04...", r"is a \.keras file; rename it to a\.keras"),
        ("a.keras", b"", "is empty; copy it again"),
        ("a.h5", b"", "is empty; copy it again"),
        ("a.keras", b"PK\x03\x04...", "is incomplete; copy or download it again"),
    ],
)
def test_a_file_that_its_first_bytes_betray_is_told_what_it_is(
    tmp_path: Path, name: str, start: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ModelError, match=said):
        open_model(tmp_path / name)


def test_weights_alone_under_another_name_are_refused(tmp_path: Path) -> None:
    brightness().save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ModelError, match="contains weights only"):
        open_model((tmp_path / "a.weights.h5").rename(tmp_path / "a.h5"))


def test_what_is_not_there_or_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        open_model(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="neither a run nor a SavedModel"):
        open_model(tmp_path)
    other: Any = object()
    with pytest.raises(UsageError, match="a file's path or a Keras model; got object"):
        open_model(other)
