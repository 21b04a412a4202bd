"""The choice of calibration: by which method, and images that cannot set good ranges."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import LABELS, calibration, converting_here, network, pictures, stand_in_run

from edge_cifar import formats, model_files
from edge_cifar.converters import Calibration, onnx
from edge_cifar.data.calibration import doubts
from edge_cifar.export import pool
from edge_cifar.progress import SILENT, Advance
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.steps.export import export


class Listener:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def bar(self, label: str, total: int) -> AbstractContextManager[Advance]:
        return SILENT.bar(label, total)

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_fair_sample_raises_no_doubt() -> None:
    assert doubts(pictures(100)) == []


@pytest.mark.parametrize(
    ("images", "doubt"),
    [
        (pictures(20), "only 20 calibration images"),
        (np.repeat(pictures(1), 100, axis=0), "all calibration images are identical"),
        (pictures(100) // 255, "values only span 0 to 1 of 0 to 255"),
        (200 + pictures(100) // 8, "values only span 200 to 231 of 0 to 255"),
    ],
    ids=["few", "constant", "scaled", "bright"],
)
def test_unfit_images_are_doubted_in_a_sentence(images: Any, doubt: str) -> None:
    (said,) = doubts(images)
    assert doubt in said
    assert "\n" not in said


def test_export_warns_of_them_where_they_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="export needs TensorFlow")
    monkeypatch.setattr(pool, "converting", converting_here)
    run = stand_in_run(tmp_path / "run", limit=200)
    warned = {}
    for precision in ("fp32", "int8"):
        listener = Listener()
        export(
            run,
            formats=["tflite"],
            precisions=[precision],
            calibration_images=5,
            out=tmp_path / precision,
            progress=listener,
        )
        warned[precision] = [text for text in listener.said if text.startswith("warning: ")]
    assert warned["fp32"] == []
    assert len(warned["int8"]) == 1
    assert "only 5 calibration images" in warned["int8"][0]


@pytest.mark.parametrize("method", formats.get("onnx").calibration_methods)
def test_onnx_has_every_method_and_stays_close(method: str, tmp_path: Path) -> None:
    for package in ("tensorflow", *formats.get("onnx").packages):
        pytest.importorskip(package, reason="ONNX conversion needs it")
    sample = calibration(60)
    sample = Calibration(images=sample.images, indices=sample.indices, seed=1, method=method)
    model = network()
    path = tmp_path / f"{method}.onnx"
    record = onnx.convert(
        model, formats.get("onnx").precisions["int8"], labels=LABELS, calibration=sample, metadata={}, path=path
    )
    assert record.calibration is not None
    assert record.calibration.method == method
    images = pictures(60, seed=4)
    answers = model_files.load(path).predict(images)
    expected = keras_runtime.of_model(model).predict(images)
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.85
    scales[method] = path.read_bytes()
    # Each method sets ranges of its own.
    assert len(set(scales.values())) == len(scales)


scales: dict[str, bytes] = {}
