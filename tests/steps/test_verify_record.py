"""What a run keeps of its verifications: the fuller of two, where both are of the same artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import record_document, verify_document, write
from support.stand_in_litert import bundle_of, install

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.progress import SILENT
from edge_cifar.report.advice import Limits
from edge_cifar.report.sources import gather
from edge_cifar.steps import _verify_record


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The export of a run called ``run``, with two artifacts and twenty images."""
    install(tmp_path, monkeypatch)
    write(tmp_path / "run" / "record.json", record_document("resnet8"))
    return bundle_of(tmp_path / "run" / "export", fp32="fine", fp16="fine")


def record(bundle: Bundle) -> dict[str, Any]:
    document = json.loads((bundle.path.parent / "verify.json").read_text())
    return {row["variant"]: row for row in document["results"]}


def test_fewer_images_do_not_replace_more_of_the_same_artifact(bundle, capsys):
    assert main(["verify", str(bundle.path)]) == 0
    whole = record(bundle)
    first = json.loads((bundle.path.parent / "verify.json").read_text())
    assert [row["images"] for row in whole.values()] == [20, 20]
    assert main(["verify", str(bundle.path), "--images", "3"]) == 0
    shown = capsys.readouterr()
    assert "keeps the verification of tflite-fp32, tflite-fp16 on 20 images instead of this one on 3;" in shown.err
    kept = record(bundle)
    for variant, row in kept.items():
        assert row.pop("from") == {
            name: value for name, value in first.items() if name not in ("kind", "schema", "results")
        }
        assert row == whole[variant]
    (mark, _) = (row.parity for row in gather([bundle.path.parent], Limits()).measurements)
    assert (mark.status, mark.detail.split("; ")[-1]) == ("proven", "20 test images with litert")


def test_as_many_images_or_more_replace_it(bundle, capsys):
    for images in (3, 3, 20):
        assert main(["verify", str(bundle.path), "--images", str(images)]) == 0
        assert [row["images"] for row in record(bundle).values()] == [images, images]
        assert not any("from" in row for row in record(bundle).values())
    assert "keeps" not in capsys.readouterr().err


def test_another_artifact_under_the_name_is_recorded_however_few_its_images(bundle):
    assert main(["verify", str(bundle.path)]) == 0
    bundle_of(bundle.path, fp32="fine", fp16="fine, and another file")
    assert main(["verify", str(bundle.path), "--images", "3"]) == 0
    assert {variant: row["images"] for variant, row in record(bundle).items()} == {
        "tflite-fp32": 20,
        "tflite-fp16": 3,
    }


@pytest.mark.parametrize("fault", ["crash", "altered"])
def test_a_failure_that_is_no_matter_of_images_is_recorded(fault, bundle):
    assert main(["verify", str(bundle.path)]) == 0
    interpreter = bundle.path.parent.parent / "packages" / "ai_edge_litert" / "interpreter.py"
    if fault == "crash":
        interpreter.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    else:
        (bundle.path / "tflite-fp32.tflite").write_bytes(b"not what the manifest lists")
    assert main(["verify", str(bundle.path), "--images", "3"]) == 1
    assert record(bundle)["tflite-fp32"]["status"] == "fail"


@pytest.mark.parametrize("content", ["", "[]", '{"results": [3]}', '{"results": [{"variant": "tflite-fp32"}]}'])
def test_a_record_that_cannot_be_read_is_replaced(content, tmp_path):
    path = tmp_path / "verify.json"
    path.write_text(content)
    report = VerifyReport.from_json(verify_document(), "verify.json")
    _verify_record.write(path, report, SILENT)
    assert VerifyReport.read(path) == report
