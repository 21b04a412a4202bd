"""A result is bound to what it was made from: written only if that stands there still, read only if it stands there."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from support import bench as bench_support
from support import stand_in_litert
from support.bench import fake_bundle, fake_file
from support.report_samples import bench_document, verified_row, verify_document, write

from edge_cifar.cli.main import main
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError
from edge_cifar.report.advice import Limits, advise
from edge_cifar.report.sources import gather
from edge_cifar.steps import verify as verify_step
from edge_cifar.steps.targets import open_bundle
from edge_cifar.storage import exclusion, files
from edge_cifar.variant import Variant


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An exported run called ``toy``, whose artifacts the fake runtime runs."""
    bench_support.install(monkeypatch)
    run = Run(tmp_path / "toy")
    run.path.mkdir()
    run.record_path.write_text('{"schema": 1}')
    run.model_path.write_text("weights")
    fake_bundle(run.export_path, {"fp32": {}, "int8": {}})
    return run


def tell_source(run: Run) -> None:
    """Have the manifest say which network it was made from."""
    manifest = json.loads((run.export_path / MANIFEST).read_text())
    manifest["source"] = {"file": "model.keras", "sha256": files.sha256(run.model_path)}
    (run.export_path / MANIFEST).write_text(json.dumps(manifest))


def test_a_verification_of_a_bundle_that_is_replaced_meanwhile_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in_litert.install(tmp_path, monkeypatch)
    write(tmp_path / "run" / "record.json", {"schema": 1})
    bundle = stand_in_litert.bundle_of(tmp_path / "run" / "export", fp32="fine", fp16="fine")
    result = tmp_path / "run" / "verify.json"
    assert main(["verify", str(bundle.path)]) == 0
    assert json.loads(result.read_text())["bundle"] == Bundle.open(bundle.path).checksums.to_json()
    result.unlink()
    real = verify_step.verify_bundle

    def replacing(opened: Bundle, **options: Any) -> Any:
        outcomes = real(opened, **options)
        stand_in_litert.bundle_of(bundle.path, fp32="fine", fp16="fine, and another file")
        return outcomes

    monkeypatch.setattr(verify_step, "verify_bundle", replacing)
    assert main(["verify", str(bundle.path)]) == 1
    assert "was replaced while this command was using it; run the command again" in capsys.readouterr().err
    assert not result.exists()


@pytest.mark.parametrize("replaced", ["artifact", "bundle"])
def test_rows_of_a_file_that_is_replaced_meanwhile_are_none(
    replaced: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_cifar.bench.session import Session

    real = Session.run

    def replacing(self: Session, **options: Any) -> None:
        real(self, **options)
        if replaced == "artifact":
            fake_file(run.export_path / "fake-int8.fake", milliseconds=0.1)
        else:
            fake_bundle(run.export_path, {"fp32": {}, "int8": {"milliseconds": 0.1}})

    monkeypatch.setattr(Session, "run", replacing)
    assert main(["bench", str(run.path), "--seconds", "0.1", "--json"]) == 1
    shown = capsys.readouterr()
    kept, lost = json.loads(shown.out)["results"]
    assert kept["status"] == "ok"
    assert kept["latency_ms"]["median"] > 0
    assert (lost["status"], lost["latency_ms"], lost["accuracy"]) == ("failed", None, None)
    assert lost["reason"] == "the file was replaced during measurement; measure it again"
    assert f"no results are saved in the run {run.path}" in shown.err
    assert not (run.path / "bench.json").exists()


def test_a_benchmark_carries_the_checksums_of_its_bundle(run: Run) -> None:
    tell_source(run)
    assert main(["bench", str(run.path), "--seconds", "0.1"]) == 0
    told = json.loads((run.path / "bench.json").read_text())
    assert told["bundle"] == {
        "manifest_sha256": files.sha256(run.export_path / MANIFEST),
        "source_sha256": files.sha256(run.model_path),
    }


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_bundle_of_another_network_than_stands_in_its_run_is_refused(
    command: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_source(run)
    assert open_bundle(run).model == "toy"
    run.model_path.write_text("weights of another training")
    for target in (run.path, run.export_path):
        assert main([command, str(target)]) == 1
        said = capsys.readouterr().err
        assert f"was made from a different network than {run.model_path} now contains" in said
        assert f"edge-cifar export {run.path} --overwrite" in said
    run.model_path.unlink()
    assert open_bundle(run).model == "toy"


def test_a_command_is_refused_while_another_writes_the_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.path.rglob("*"))
    with exclusion.training(run.path):
        for command in (["verify"], ["bench"], ["report"]):
            assert main([*command, str(run.path)]) == 1
            assert "another process is writing" in capsys.readouterr().err
    with (
        exclusion.reading([run.export_path], "bench"),
        pytest.raises(EdgeCifarError, match="another process is reading"),
        exclusion.exporting(run.path, run.export_path),
    ):
        pytest.fail("a bundle is replaced while it is measured")
    assert sorted(run.path.rglob("*")) == before


def exported(folder: Path, changed: str | None = None) -> Path:
    """A bundle of the artifacts that the sample benchmark measured, one of them replaced since."""
    rows = [row for row in bench_document()["results"] if row["model"] == "resnet8"]
    artifacts = tuple(
        Artifact(
            path=folder / row["variant"],
            variant=Variant.parse(row["variant"]),
            sha256="0" * 64 if row["variant"] == changed else row["sha256"],
            size_bytes=1,
            labels=("a", "b"),
        )
        for row in rows
    )
    folder.mkdir(parents=True)
    Bundle(path=folder, model="resnet8", artifacts=artifacts).write_manifest()
    return folder


def test_rows_about_artifacts_that_were_replaced_since_are_not_shown_and_not_advised(tmp_path: Path) -> None:
    measured = bench_document()
    measured["results"] = [row for row in measured["results"] if row["model"] == "resnet8"]
    rows = len(measured["results"])
    passed = verify_document(*(verified_row("resnet8", row["variant"], status="pass") for row in measured["results"]))
    results = [write(tmp_path / "bench.json", measured), write(tmp_path / "verify.json", passed)]
    shown = gather([exported(tmp_path / "same"), *results], Limits())
    chosen = advise(shown.measurements, Limits())[0].chosen
    assert chosen is not None
    assert shown.benchmarks[0].warnings == ()
    changed = gather([exported(tmp_path / "other", chosen.variant), *results], Limits())
    (row,) = (row for row in changed.measurements if row.variant == chosen.variant)
    assert (row.status, row.result.sha256, row.median_ms) == ("not benchmarked", "0" * 64, None)
    instead = advise(changed.measurements, Limits())[0].chosen
    assert instead is not None
    assert instead.variant != chosen.variant
    told = f"1 of {rows} rows are omitted: their artifacts have since been replaced; run bench again"
    assert changed.benchmarks[0].warnings == (told,)
    assert len(changed.measurements) == len(shown.measurements)


def test_a_verification_of_a_replaced_artifact_proves_nothing(tmp_path: Path) -> None:
    bundle = exported(tmp_path / "export")
    listed = next(one.sha256 for one in Bundle.open(bundle).artifacts if str(one.variant) == "tflite-fp32")
    current = {"bundle": Bundle.open(bundle).checksums.to_json()}
    other = {"bundle": {"manifest_sha256": "0" * 64, "source_sha256": None}}
    for told, checksum, status in (
        ({}, None, "proven"),  # as older versions wrote it
        ({}, listed, "proven"),
        ({}, "0" * 64, "unknown"),
        (current, None, "proven"),
        (other, None, "unknown"),
        (other, listed, "proven"),  # the same artifact, listed anew
    ):
        result = write(
            tmp_path / "verify.json", verify_document(verified_row("resnet8", "tflite-fp32", sha256=checksum), **told)
        )
        (mark,) = (
            one.parity.status for one in gather([bundle, result], Limits()).measurements if one.variant == "tflite-fp32"
        )
        assert (mark, told, checksum) == (status, told, checksum)


def test_two_who_change_one_result_lose_nothing(tmp_path: Path) -> None:
    result = write(tmp_path / "verify.json", [])

    def add(number: int) -> None:
        with exclusion.updating(result):
            files.write_json(result, [*files.read_json(result, "result"), number])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(files.read_json(result, "result")) == list(range(20))
    assert [path.name for path in tmp_path.iterdir()] == ["verify.json"]


def test_a_bundle_that_was_never_read_is_held_to_its_contents(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path / "export", {"fp32": {}})
    assert bundle.manifest_sha256 is None
    before = bundle.contents()
    bundle.demand_unchanged(before)
    bundle.reference_path.unlink()
    with pytest.raises(BundleError, match="was replaced"):
        bundle.demand_unchanged(before)
