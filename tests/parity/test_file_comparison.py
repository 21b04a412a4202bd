"""``verify A B``: model files made elsewhere compared with each other on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.foreign_models import COLOURS, brightness_folder, brightness_onnx, colour_onnx
from support.listener import Listener

from edge_cifar.cli.main import main
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import BundleError, DataError, EdgeCifarError, UsageError
from edge_cifar.parity.file_comparison import weight_precision
from edge_cifar.steps.verify import verify

pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the files")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return brightness_folder(tmp_path / "photos", each=40)


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Classes blue, green and red; the networks' are red, green and blue."""
    for name, colour in COLOURS.items():
        (tmp_path / "colours" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), colour).save(tmp_path / "colours" / name / f"{number}.png")
    return tmp_path / "colours"


def test_files_that_answer_alike_pass_each_in_its_own_input_range(photos: Path, tmp_path: Path) -> None:
    unit = brightness_onnx(tmp_path / "unit.onnx")
    raw = brightness_onnx(tmp_path / "raw.onnx", deviation=(1 / 255,) * 3)
    (outcome,) = verify(f"{unit}:range=0,1", f"{raw}:range=0,255", data=photos)
    assert (outcome.status, outcome.reason) == ("pass", None)
    assert (outcome.name, outcome.reference, str(outcome.variant)) == (str(raw), str(unit), "onnx-fp32")
    assert outcome.figures is not None
    assert outcome.figures.top1_agreement == outcome.figures.accuracy.top1 == 1
    assert outcome.images == 24


def test_an_input_range_that_nobody_told_is_found(tmp_path: Path) -> None:
    photos = brightness_folder(tmp_path / "many", each=60)
    unit = brightness_onnx(tmp_path / "unit.onnx")
    raw = brightness_onnx(tmp_path / "raw.onnx", deviation=(1 / 255,) * 3)
    listener = Listener()
    (outcome,) = verify(unit, raw, data=photos, progress=listener)
    assert outcome.status == "pass"
    assert any(said.startswith("unit.onnx: input range 0 to 1 found by trial") for said in listener.said)
    assert any(said.startswith("raw.onnx: input range 0 to 255 found by trial") for said in listener.said)


def test_a_file_that_takes_its_channels_in_another_order_fails_with_the_cause(colours: Path, tmp_path: Path) -> None:
    first, second = colour_onnx(tmp_path / "a.onnx"), colour_onnx(tmp_path / "b.onnx")
    names = ",".join(COLOURS)
    (alike,) = verify(f"{first}:labels={names}", f"{second}:labels={names}", data=colours, input_range=(0, 255))
    assert alike.status == "pass"
    assert alike.figures is not None
    assert alike.figures.accuracy.top1 == 1, "classes are matched by their names"
    (swapped,) = verify(first, f"{second}:channels=bgr", data=colours, input_range=(0, 255), labels=names)
    assert swapped.status == "fail"
    assert "expects its channels in reverse order" in str(swapped.reason)


def test_the_command_prints_the_files_and_fails_with_1(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    brightness_onnx(tmp_path / "unit.onnx")
    assert main(["verify", "unit.onnx", "unit.onnx", "--data", "photos", "--input-range", "0,1"]) == 0
    shown = capsys.readouterr().out
    assert "reference" in shown
    assert "next: edge-cifar bench unit.onnx unit.onnx --data photos" in shown
    told = ["unit.onnx:range=0,1", "unit.onnx:range=0,255", "--data", "photos"]
    assert main(["verify", *told]) == 1
    assert "1 of 1 files compared with unit.onnx failed: unit.onnx" in capsys.readouterr().err
    assert main(["verify", *told, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    report = VerifyReport.from_json(document, "verify.json")
    assert [(one.path, one.reference, one.status) for one in report.results] == [("unit.onnx", "unit.onnx", "fail")]
    assert report.to_json()["results"] == document["results"]


@pytest.mark.parametrize(
    ("files", "options", "error", "message"),
    [
        (["net.onnx"], {"data": "photos"}, BundleError, "net.onnx is a file; give .* a second model file to compare"),
        (["net.onnx", "net.onnx"], {}, UsageError, "name them with --data"),
        (["net.onnx", "photos"], {"data": "photos"}, BundleError, "contains neither a bundle"),
        (["net.onnx", "net.onnx"], {"data": "photos", "layers": True}, UsageError, "--layers and --plot need a run"),
        (["net.onnx", "net.onnx"], {"data": "photos", "precision": "int9"}, UsageError, "did you mean 'int8'"),
        (["net.onnx", "none.onnx"], {"data": "photos"}, BundleError, "no model file at none.onnx"),
        (["two.onnx", "net.onnx"], {"data": "photos"}, BundleError, "two.onnx has 2 classes; .* has 3"),
        (["bad.onnx", "net.onnx"], {"data": "photos"}, BundleError, "bad.onnx gives no answers to compare with"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    files: list[str],
    options: dict[str, Any],
    error: type[EdgeCifarError],
    message: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    brightness_onnx(tmp_path / "net.onnx")
    colour_onnx(tmp_path / "two.onnx", single="Sigmoid")
    (tmp_path / "bad.onnx").write_text("no model")
    with pytest.raises(error, match=message):
        verify(*files, **options)


def test_a_second_file_that_cannot_run_fails_alone(photos: Path, tmp_path: Path) -> None:
    unit = brightness_onnx(tmp_path / "unit.onnx")
    (tmp_path / "bad.onnx").write_text("no model")
    bad, good = verify(unit, tmp_path / "bad.onnx", unit, data=photos, input_range=(0, 1), images=9)
    assert (bad.status, good.status, good.images) == ("fail", "pass", 9)
    assert "is not a model that ONNX Runtime can run" in str(bad.reason)


def test_the_precision_of_weights_is_read_from_the_file(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    assert weight_precision(tflite_files["float32"]) == "fp32"
    assert weight_precision(tflite_files["int8"]) == "int8"
    assert weight_precision(brightness_onnx(tmp_path / "net.onnx")) == "fp32"
    assert weight_precision(tmp_path / "model.keras") == "fp32", "Keras computes in float32"


def test_labels_that_are_not_the_data_s_are_refused(colours: Path, tmp_path: Path) -> None:
    net = colour_onnx(tmp_path / "net.onnx")
    with pytest.raises(DataError, match="has classes that the model does not: blue, green, red"):
        verify(net, net, data=colours, labels="cat,dog,bird")
    (outcome,) = verify(net, net, data=colours, labels="red,green,blue", input_range=(0, 255))
    assert outcome.figures is not None
    assert outcome.figures.accuracy.top1 == 1
