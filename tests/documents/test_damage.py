"""Files that were damaged or made to do harm: each is one sentence, whatever its reader trips over."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mean_colour import onnx_file

from edge_cifar import model_files
from edge_cifar.bench import peak
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError
from edge_cifar.runtimes import keras as keras_runtime


def flipped(path: Path, target: Path, seed: int) -> Path:
    """A copy of a file with one bit the other way."""
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    content[random.integers(len(content))] ^= 1 << random.integers(8)
    target.write_bytes(content)
    return target


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("export/reference.npz", Reference.read),
        ("export/activations.npz", Activations.read),
        ("predictions.npz", Predictions.read),
    ],
)
def test_a_flipped_bit_is_harmless_or_one_sentence(
    name: str, read: Callable[[Path], Any], tiny_bundle: Bundle, tiny_run: Run, tmp_path: Path
) -> None:
    source = tiny_run.path / name
    refused = 0
    for seed in range(150):
        try:
            read(flipped(source, tmp_path / "damaged.npz", seed))
        except EdgeCifarError:
            refused += 1
    assert refused > 100


def test_a_header_that_python_cannot_even_read_is_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'(")
    with pytest.raises(BundleError, match="is damaged"):
        Reference.read(tmp_path / "bad.npz")


def test_a_flipped_bit_in_a_keras_model_is_harmless_or_one_sentence(tiny_run: Run, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="the model is Keras' own")
    refused = 0
    for seed in range(12):
        try:
            keras_runtime.load_model(keras, flipped(tiny_run.model_path, tmp_path / "damaged.keras", seed))
        except BundleError:
            refused += 1
    assert refused


@pytest.mark.parametrize(
    ("key", "value"),
    [("size_bytes", float("inf")), ("variant", "tflite-fp32\ud800"), ("variant", "tflite\n-fp32")],
    ids=["infinite", "no character", "two lines"],
)
def test_a_manifest_of_nonsense_is_one_sentence(key: str, value: Any, tiny_bundle: Bundle, tmp_path: Path) -> None:
    manifest = tiny_bundle.to_json()
    manifest["artifacts"][0][key] = value
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"is damaged|is a lone surrogate"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("key", ["ranges", "calibrated_ranges"])
@pytest.mark.parametrize("told", ["x", {"a": 1}, [1, 2], [["a", "b"]], [[0, 1, 2]], [[0, None]]])
def test_ranges_that_are_none_are_said(key: str, told: Any, tiny_bundle: Bundle, tmp_path: Path) -> None:
    manifest = tiny_bundle.to_json()
    manifest["artifacts"][1][key] = told
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=rf"artifacts\[1\]\.{key} is .*, not (pairs of numbers|a list); create it"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array(["cat"] * 4)},
        {"labels": np.full(4, np.nan)},
        {"probabilities": np.full((4, 3), "1")},
        {"probabilities": np.full((4, 3), 1 / 3)},
    ],
    ids=["labels of text", "labels of NaN", "probabilities of text", "probabilities of double precision"],
)
def test_arrays_of_another_type_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "images": np.zeros((4, 2, 2, 3), np.uint8),
        "labels": np.zeros(4, np.int64),
        "probabilities": np.full((4, 3), 1 / 3, np.float32),
    }
    np.savez(tmp_path / "good.npz", **arrays)
    assert len(Reference.read(tmp_path / "good.npz").labels) == 4
    np.savez(tmp_path / "bad.npz", **{**arrays, **change})
    with pytest.raises(BundleError, match="do not match each other"):
        Reference.read(tmp_path / "bad.npz")


def test_a_graph_that_fails_only_when_it_is_computed_is_one_sentence(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    path = onnx_file(tmp_path / "fixed.onnx")
    model = onnx.load(path)
    (last,) = [node for node in model.graph.node if node.op_type == "Softmax"]
    last.input[0] = "shaped"
    reshape = onnx.helper.make_node("Reshape", ["logits", "two"], ["shaped"])
    model.graph.node.insert(len(model.graph.node) - 1, reshape)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 10]), "two"))
    onnx.save(model, path)
    with pytest.raises(BundleError, match="not a model that ONNX Runtime can run"):
        model_files.load(path)


def test_workers_take_no_module_from_the_folder_they_are_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that of a bundle that somebody sent."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('code of a stranger')")
    (tmp_path / "edge_cifar").mkdir()
    (tmp_path / "edge_cifar" / "__init__.py").write_text("raise SystemExit('code of a stranger')")
    # An empty entry stands for the working directory.
    monkeypatch.setenv("PYTHONPATH", ":/nowhere")
    monkeypatch.chdir(tmp_path)
    assert peak.multiply_adds_per_s(1, ()) > 0
