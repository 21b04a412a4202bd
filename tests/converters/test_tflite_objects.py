"""Flatbuffers taken apart and put together again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.export import LABELS, calibration, network

from edge_cifar import formats, model_files
from edge_cifar.converters import _tflite_objects, tflite

INT8 = formats.get("tflite").precisions["int8"]

pytest.importorskip("tensorflow", reason="the file comes from TensorFlow's converter")
pytest.importorskip("ai_edge_litert", reason="its schema is LiteRT's")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("objects") / "x.tflite"
    tflite.convert(network(), INT8, labels=LABELS, calibration=calibration(), metadata={"a": "b"}, path=path)
    return path.read_bytes()


def test_a_file_that_nothing_was_changed_in_is_the_same_to_the_byte(content: bytes) -> None:
    assert _tflite_objects.packed(_tflite_objects.parsed(content)) == content


def test_what_is_added_is_found_and_nothing_else_is_touched(content: bytes, tmp_path: Path) -> None:
    model = _tflite_objects.parsed(content)
    tensors = len(model.subgraphs[0].tensors)
    assert _tflite_objects.add_constant(model, "bias", np.arange(3, dtype=np.float32)) == tensors
    _tflite_objects.add_metadata(model, "greeting", "olá")
    path = tmp_path / "added.tflite"
    path.write_bytes(_tflite_objects.packed(model))
    again = _tflite_objects.parsed(path.read_bytes())
    added = again.subgraphs[0].tensors[tensors]
    assert added.name == b"bias"
    np.testing.assert_array_equal(np.frombuffer(bytes(again.buffers[added.buffer].data), np.float32), [0, 1, 2])
    entries = {entry.name.decode(): bytes(again.buffers[entry.buffer].data) for entry in again.metadata}
    assert entries["greeting"] == "olá".encode()
    assert entries["a"] == b"b"
    before = tmp_path / "before.tflite"
    before.write_bytes(content)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model_files.load(path).predict(images), model_files.load(before).predict(images))
