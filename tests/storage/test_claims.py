"""Model files that claim sizes far beyond what they weigh: refused before memory is given to the claim."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from support.mean_colour import onnx_file

from edge_cifar import flatbuffer, model_files
from edge_cifar.errors import BundleError
from edge_cifar.flatbuffer import Flatbuffer
from edge_cifar.pixels import ImageInput, Quantization, Setup

FLOAT = Quantization(dtype=np.dtype(np.float32))


@pytest.mark.parametrize(
    "shape",
    [(1, 100_000, 100_000, 3), (1, 3, 1 << 31, 1), (1 << 40, 1, 1, 3), (None, 5000, 5000, 3)],
    ids=str,
)
def test_images_of_a_size_that_nothing_has_are_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(BundleError, match="an unsupported size"):
        ImageInput.of(shape, FLOAT, "model.onnx")


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (None, 3, 1024, 1024), (64, 512, 512, 3), (1, 1, 1, 3)], ids=str)
def test_images_of_real_sizes_are_taken(shape: tuple[int | None, ...]) -> None:
    assert ImageInput.of(shape, FLOAT, "model.onnx").shape[2] == 3


def test_an_onnx_file_is_refused_before_an_image_is_made(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime reads it")
    model = onnx.load(onnx_file(tmp_path / "wide.onnx"))
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[1].dim_value = sides[2].dim_value = 200_000
    onnx.save(model, tmp_path / "wide.onnx")
    # 120 GB as bytes alone.
    with pytest.raises(BundleError, match=r"\[batch, 200000, 200000, 3\]"):
        model_files.load(tmp_path / "wide.onnx")


def test_a_tflite_file_is_refused_before_its_tensors_are_made(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    content = tflite_files["float32"].read_bytes()
    shape = struct.pack("<4i", 1, 6, 5, 3)
    assert shape in content
    (tmp_path / "wide.tflite").write_bytes(content.replace(shape, struct.pack("<4i", 1, 60_000, 60_000, 3)))
    with pytest.raises(BundleError, match=r"wide.tflite takes images of an unsupported size"):
        model_files.load(tmp_path / "wide.tflite")
    assert model_files.load(tflite_files["float32"]).input_shape == (6, 5, 3)
    assert Setup().batch == 1


def test_a_vector_that_all_tables_share_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with one vector of a megabyte: a file could point to it from a hundred thousand tensors."""
    size = 1 << 20
    vtable = struct.pack("<IHHHH", 12, 6, 8, 4, 0)
    table = Flatbuffer(vtable + struct.pack("<iII", 8, 4, size) + bytes(size))
    monkeypatch.setattr(flatbuffer, "_SLACK_BYTES", 0)
    shared = Flatbuffer(vtable + struct.pack("<iII", 8, 4, size) + bytes(size))
    for reader, most in ((table, 20), (shared, 4)):
        read = 0
        with pytest.raises(struct.error, match="shared by more tables"):  # noqa: PT012 - how often is what is asked
            while read <= most:
                assert len(reader.bytes(reader.root(), 0)) == size
                read += 1
        assert read == most
