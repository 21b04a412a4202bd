"""``edge-cifar doctor --self-test``: what passed, what failed, what this machine cannot try."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.errors import CheckFailed
from edge_cifar.steps import doctor, self_test


@pytest.fixture
def small(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle of two artifacts, one of which only a Mac runs as a device."""
    folder = tmp_path / "export"
    shutil.copytree(tiny_bundle.path, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = ("tflite-int8", "coreml-w8")
    manifest["artifacts"] = [one for one in manifest["artifacts"] if one["variant"] in kept]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_everything_that_can_be_tried_is_told(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(small), "--self-test", "--json"]) == 0
    shown = capsys.readouterr()
    checks = {check["name"]: check for check in json.loads(shown.out)["checks"]}
    assert set(checks) == {"verify tflite-int8", "verify coreml-w8", "verify", "bench", "predict"}
    assert {check["status"] for check in checks.values()} == {"passed"}
    assert "1 of 2 artifacts measured" in checks["bench"]["detail"]
    assert all(name in shown.err for name in checks)


def test_damage_fails_the_test(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = small / "tflite-int8.tflite"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert main(["doctor", str(small), "--self-test"]) == 1
    assert "verify tflite-int8" in capsys.readouterr().err


def test_what_a_runtime_never_run_here_may_raise_is_told(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise AttributeError("MLComputePlan has no attribute 'load'")

    monkeypatch.setattr("edge_cifar.steps.bench.bench", broken)
    (check,) = [check for check in self_test.self_test(small) if check.name == "bench"]
    assert check.status == "failed"
    assert check.detail == "AttributeError: MLComputePlan has no attribute 'load'"


def test_machine_that_cannot_train_asks_for_a_bundle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "installed", lambda module: False)
    assert main(["doctor", "--self-test"]) == 1
    told = capsys.readouterr().err
    assert "skipped  train and export" in told
    assert "name a bundle" in told


def test_bundle_without_self_test_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "export"]) == 2
    assert "--self-test" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_way_in_small(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    assert main(["doctor", "--self-test", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert checks[0]["name"] == "train and export"
    assert {check["status"] for check in checks} == {"passed"}


def test_variants_that_export_did_not_keep_fail_and_the_others_are_tried(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((small / "manifest.json").read_text())
    manifest["rejected"] = [{"variant": "onnx-int8", "reason": "its process crashed with SIGABRT"}]
    (small / "manifest.json").write_text(json.dumps(manifest))

    def rejecting(*arguments: object, **options: object) -> None:
        raise CheckFailed("1 of 3 variants was rejected")

    monkeypatch.setattr("edge_cifar.steps.train.train", lambda *arguments, **options: small)
    monkeypatch.setattr("edge_cifar.steps.export.export", rejecting)
    checks = {check.name: check for check in self_test.self_test()}
    assert (checks["export onnx-int8"].status, checks["export onnx-int8"].detail) == (
        "failed",
        "its process crashed with SIGABRT",
    )
    assert [checks[name].status for name in ("train and export", "verify tflite-int8", "bench")] == ["passed"] * 3
