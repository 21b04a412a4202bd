"""``export --dry-run``: the variants with what would be done for each, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import report_samples as samples

from edge_cifar import formats, packages
from edge_cifar.cli.main import main
from edge_cifar.compression import retraining


@pytest.fixture(autouse=True)
def run(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run below ``./runs``, on a machine that has all converters."""
    monkeypatch.setattr(packages, "installed", lambda module: True)
    monkeypatch.setattr(retraining, "missing", lambda: None)
    folder = Path("runs/resnet8")
    samples.write(folder / "record.json", samples.record_document("resnet8"))
    (folder / "model.keras").write_bytes(b"weights")
    return folder


def planned(*options: str, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["export", "--dry-run", "--json", *options]) == 0
    return {one["variant"]: one for one in json.loads(capsys.readouterr().out)["variants"]}


def test_the_default_variants_are_planned_and_nothing_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys=capsys)
    assert list(found) == [f"{name}-{one}" for name in formats.exported() for one in formats.get(name).defaults]
    assert found["tflite-fp32"]["size_bytes"] == 4 * 78_666
    assert found["tflite-int8"] == {
        "variant": "tflite-int8",
        "meaning": formats.get("tflite").precisions["int8"].meaning,
        "calibration_images": 500,
        "retraining_epochs": None,
        "size_bytes": 78_666,
    }
    assert found["onnx-fp16"]["calibration_images"] is None
    assert sorted(path.name for path in run.iterdir()) == ["model.keras", "record.json"]


def test_what_is_trained_again_says_for_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--format", "tflite", "--precision", "int8-qat", "--precision", "fp16", "--prune", "0.5")
    found = planned(*options, capsys=capsys)
    assert {name: one["retraining_epochs"] for name, one in found.items()} == {
        "tflite-fp16": None,
        "tflite-int8-qat": 2.0,
        "tflite-fp16-pruned50": 4.0,
    }


def test_people_get_a_table_and_the_bundles_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--dry-run", "--format", "onnx", "--out", "there"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("onnx-int8")] == [["onnx-int8", "0.08"]]
    # Three files, and 2,000 images of 32 by 32 pixels with ten probabilities each.
    assert f"bundle: there, about {(78_666 * 7 + 2000 * (3072 + 40)) / 1e6:.1f} MB" in shown
    assert not Path("there").exists()


def test_what_would_be_refused_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--dry-run", "--precision", "int9"]) == 2
    assert main(["export", "--dry-run", "--data", "photos"]) == 2
    assert main(["export", "nowhere", "--dry-run"]) == 1
    (run / "export").mkdir()
    (run / "export" / "notes.txt").touch()
    assert main(["export", "--dry-run"]) == 1
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("name", formats.exported())
def test_weights_have_the_bits_that_their_precision_is_named_for(name: str) -> None:
    named = {"fp32": 32, "fp16": 16, "w6": 6, "w4": 4}
    for precision in formats.get(name).precisions.values():
        assert precision.weight_bits == named.get(precision.name, 8)
