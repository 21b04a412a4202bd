"""``edge-cifar verify``: its JSON, its JUnit file, its table, and what it says to bad input."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.stand_in_litert import IMAGES, bundle_of, install

import edge_cifar as ec
from edge_cifar import machine
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError, UsageError
from edge_cifar.parity.verify import _doubted, verify_bundle

CRASH = "load:os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path, monkeypatch)


def test_json_keeps_its_promise(stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "export", fp32="fine", int8="fine")
    assert main(["verify", str(bundle.path), "--json", "--images", "7"]) == 0
    document = json.loads(capsys.readouterr().out)
    first, second = document["results"]
    assert first["model"] == "tiny"
    assert (first["variant"], second["variant"]) == ("tflite-fp32", "tflite-int8")
    assert (first["status"], first["method"], first["images"], first["reason"]) == ("pass", "litert", 7, None)
    assert first["max_abs_diff"] < 1e-6
    assert first["top1_agreement"] == 1.0
    assert first["tolerance"] == {"margin": 2e-3, "confident_agreement": 1.0, "max_abs_diff": 1e-3}
    assert second["tolerance"] == {
        "margin": 0.2,
        "confident_agreement": 0.97,
        "max_drop": 1.0,
        "max_variation": 0.1,
        "max_calibration_shift": 0.02,
    }


def test_json_tells_where_its_figures_come_from(tiny_bundle: Bundle, capsys):
    assert main(["verify", str(tiny_bundle.path), "--json", "--images", "7"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"commit", "command", "measured_at"} <= document.keys()
    assert document["versions"]["numpy"] == np.__version__
    assert document["machine"] == machine.identity()
    made_from = tiny_bundle.data
    expected = {"name": "synthetic", "checksum": made_from.checksum, "synthetic": True}
    assert [result["data"] for result in document["results"]] == [expected] * 9


def test_a_failure_is_exit_status_1_in_table_json_and_junit(stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "export", fp32="fine", int8=CRASH)
    report = tmp_path / "reports" / "parity.xml"
    assert main(["verify", str(bundle.path), "--junit", str(report)]) == 1
    captured = capsys.readouterr()
    assert "tflite-int8: its process crashed with SIGSEGV" in captured.out
    assert "1 of 2 artifacts of tiny failed: tflite-int8" in captured.err
    assert "next:" not in captured.out
    (suite,) = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    good, bad = suite
    assert (good.get("name"), good.find("failure")) == ("tflite-fp32", None)
    assert "SIGSEGV" in str(bad.find("failure").get("message"))
    assert json.loads(str(bad.findtext("system-out")))["status"] == "fail"


def test_what_cannot_run_here_is_unverified_and_no_failure(stand_in, tmp_path, capsys):
    (stand_in / "interpreter.py").write_text("raise ModuleNotFoundError(name='ai_edge_litert')")
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    report = tmp_path / "parity.xml"
    assert main(["verify", str(bundle.path), "--junit", str(report)]) == 0
    captured = capsys.readouterr()
    assert "unverified" in captured.out
    assert "pip install" in captured.out
    assert "nothing could be verified on this machine" in captured.err
    assert ElementTree.parse(report).getroot()[0].get("skipped") == "1"


def test_the_table_ends_with_the_next_command(stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "my export", fp32="fine")
    assert main(["verify", str(bundle.path)]) == 0
    *_, last = capsys.readouterr().out.strip().splitlines()
    assert last == f"next: edge-cifar bench '{bundle.path}'"


def test_more_images_than_the_bundle_holds_are_all_it_holds(stand_in, tmp_path):
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    (outcome,) = ec.verify(bundle, images=5000)
    assert outcome.images == len(IMAGES)


def test_a_run_stands_for_its_export_and_nothing_for_the_newest_run(stand_in, in_folder, capsys):
    run = Run(Path("runs/small"))
    with pytest.raises(RunError, match="no finished run"):
        ec.verify()
    run.path.mkdir(parents=True)
    run.record_path.write_text("{}")
    run.model_path.touch()
    with pytest.raises(RunError, match="edge-cifar export"):
        ec.verify(run)
    bundle_of(run.export_path, fp32="fine")
    assert [outcome.status for outcome in ec.verify()] == ["pass"]
    assert [outcome.status for outcome in ec.verify("runs/small")] == ["pass"]
    assert main(["verify"]) == 0
    assert capsys.readouterr().out.strip().endswith("next: edge-cifar bench")


def _empty(folder: Path) -> None:
    folder.mkdir()


def _file(folder: Path) -> None:
    folder.touch()


def _no_json(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    (folder / "manifest.json").write_text('{"schema": 1, "artifacts": [')


def _other_schema(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    (folder / "manifest.json").write_text('{"schema": 99, "artifacts": []}')


def _outside(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("tflite-fp32.tflite", "../elsewhere.tflite"))


def _no_artifact(folder: Path) -> None:
    bundle_of(folder)


def _no_reference(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    (folder / "reference.npz").unlink()


def _cut_reference(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    (folder / "reference.npz").write_bytes((folder / "reference.npz").read_bytes()[:200])


def _other_reference(folder: Path) -> None:
    bundle = bundle_of(folder, fp32="fine")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["reference"] = {"sha256": "0" * 64}
    (bundle.path / "manifest.json").write_text(json.dumps(manifest))


def _no_probabilities(folder: Path) -> None:
    bundle_of(folder, fp32="fine")
    answers = np.full((len(IMAGES), 3), np.nan, np.float32)
    Reference(images=IMAGES, labels=np.zeros(len(IMAGES), np.int64), probabilities=answers).write(
        folder / "reference.npz"
    )


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: None, "no model file, run or bundle at"),
        (_empty, "neither a bundle (manifest.json) nor a finished run"),
        (_file, "is a file"),
        (_no_json, "not valid JSON"),
        (_other_schema, "which this version of edge-cifar does not support"),
        (_outside, "points outside"),
        (_no_artifact, "lists no artifacts"),
        (_no_reference, "no reference at"),
        (_cut_reference, "is damaged"),
        (_other_reference, "is not the reference in the manifest"),
        (_no_probabilities, "do not sum to 1"),
    ],
)
def test_a_bundle_that_cannot_be_judged_is_one_sentence(tmp_path, capsys, spoil, says):
    spoil(tmp_path / "export")
    assert main(["verify", str(tmp_path / "export")]) == 1
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("edge-cifar: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_no_images_is_refused_from_the_command_line_alone(tmp_path, capsys):
    assert main(["verify", "nowhere", "--images", "0"]) == 2
    with pytest.raises(UsageError, match="at least 1"):
        ec.verify("nowhere", images=0)
    assert main(["verify", "nowhere", "--plot", "drift.svg"]) == 2
    with pytest.raises(UsageError, match=r"must end in \.png"):
        ec.verify("nowhere", plot="drift.svg")


def test_a_junit_file_that_cannot_be_written_is_one_sentence(stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    (tmp_path / "file").touch()
    assert main(["verify", str(bundle.path), "--junit", str(tmp_path / "file" / "parity.xml")]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_control_characters_in_a_reason_do_not_break_the_junit_file(stand_in, tmp_path):
    bundle = bundle_of(tmp_path / "export", fp32="invoke:raise SystemError('bad \\x00\\x1b[31m byte')")
    report = tmp_path / "parity.xml"
    assert main(["verify", str(bundle.path), "--junit", str(report)]) == 1
    assert "bad ??[31m byte" in str(ElementTree.parse(report).getroot()[0][0].find("failure").get("message"))


def test_verify_imports_no_training_framework(tiny_bundle: Bundle):
    """In a process of its own: what this one has imported says nothing."""
    import subprocess

    script = (
        "import sys, edge_cifar as ec; "
        f"assert {{outcome.status for outcome in ec.verify({str(tiny_bundle.path)!r}, images=7)}} == {{'pass'}}; "
        "assert not {'tensorflow', 'keras', 'coremltools', 'onnxruntime'} & set(sys.modules), sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_real_bundle_passes_and_a_copy_of_it_too(tiny_bundle: Bundle, tmp_path):
    import shutil

    copy = shutil.copytree(tiny_bundle.path, tmp_path / "copied")
    outcomes = ec.verify(copy)
    assert len(outcomes) == 9
    assert {str(outcome.variant): outcome.reason for outcome in outcomes if outcome.status != "pass"} == {}
    assert {outcome.method for outcome in outcomes} <= {"litert", "onnxruntime", "coreml", "coreml-reference"}


def test_a_run_that_cannot_be_written_costs_the_copy_and_not_the_verdict(stand_in, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    bundle = bundle_of(tmp_path / "run" / "export", fp32="fine")
    (tmp_path / "run" / "record.json").write_text("{}")
    # A folder under the verdict's name: unlike a read-only one it holds off the super-user too.
    (tmp_path / "run" / "verify.json" / "full").mkdir(parents=True)
    assert main(["verify", str(bundle.path), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["results"][0]["status"] == "pass"
    assert "no results are saved in the run" in captured.err
    assert (tmp_path / "run" / "verify.json" / "full").is_dir()


@pytest.mark.parametrize("option", ["--junit", "--plot"])
def test_a_folder_where_a_file_is_to_go_is_refused_and_left_alone(option, stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    folder = tmp_path / "results.png"
    folder.mkdir()
    (folder / "old.xml").write_text("old")
    assert main(["verify", str(bundle.path), option, str(folder)]) == 1
    assert "it is a folder; choose another location" in capsys.readouterr().err
    assert (folder / "old.xml").read_text() == "old"


def test_a_variant_in_the_manifest_that_is_none_is_the_manifests_fault(stand_in, tmp_path, capsys):
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    manifest = bundle.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"tflite-fp32"', '"tflite"'))
    assert main(["verify", str(bundle.path)]) == 1
    assert "manifest.json is damaged" in capsys.readouterr().err


def test_a_quantized_artifact_that_stands_alone_is_not_proven_by_answers_of_which_nobody_is_sure(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_bundle.path, tmp_path / "export"))
    bundle = Bundle.open(folder)
    alone = tuple(artifact for artifact in bundle.artifacts if str(artifact.variant) == "onnx-int8")
    (proven,) = verify_bundle(replace(bundle, artifacts=alone))
    assert proven.status == "pass"
    assert proven.figures is not None
    # The same answers, of a model that is hardly surer of one class than of the others.
    doubted = _doubted(replace(proven, figures=replace(proven.figures, confident_images=0)))
    assert doubted.status == "unverified"
    assert "images is high-confidence" in str(doubted.reason)
