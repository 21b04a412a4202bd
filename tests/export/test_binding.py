"""An export of a run that changes meanwhile, or whose record tells of another network, is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.export import quick_converter_for, stand_in_run

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import EdgeCifarError, RunError
from edge_cifar.export.accept import AcceptStage
from edge_cifar.steps.export import export
from edge_cifar.steps.train import train
from edge_cifar.storage import exclusion, files

pytest.importorskip("tensorflow", reason="export needs TensorFlow")

ONE = {"formats": ["tflite"], "precisions": ["fp32"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stand_in_run(tmp_path_factory.mktemp("runs") / "stand-in")


@pytest.fixture
def run(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    quick_converter_for(monkeypatch)
    return Run(Path(shutil.copytree(made.path, tmp_path / "run")))


@pytest.mark.parametrize("name", ["model.keras", "record.json"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_run_that_changes_while_it_is_exported_leaves_the_bundle_as_it_was(
    name: str, how: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(run, **ONE)
    before = Bundle.open(run.export_path).contents()
    real = AcceptStage.run

    def judging(*arguments: Any) -> Any:
        accepted = real(*arguments)
        path = run.path / name
        path.write_bytes(path.read_bytes() + b" ") if how == "changed" else path.unlink()
        return accepted

    monkeypatch.setattr(AcceptStage, "run", judging)
    with pytest.raises(RunError, match=rf"{re.escape(name)} changed during the export; export again"):
        export(run, **ONE, overwrite=True)
    assert Bundle.open(run.export_path).contents() == before
    assert not list(run.path.glob(".*"))


def test_a_record_that_tells_of_another_network_is_refused(run: Run) -> None:
    record = json.loads(run.record_path.read_text())
    record["model"] = {"file": "model.keras", "sha256": files.sha256(run.model_path)}
    files.write_json(run.record_path, record)
    bundle = export(run, **ONE)
    assert bundle.source_sha256 == record["model"]["sha256"]
    record["model"]["sha256"] = "0" * 64
    files.write_json(run.record_path, record)
    with pytest.raises(RunError, match=r"model\.keras is not the model in .*record\.json"):
        export(run, **ONE, overwrite=True)


def test_training_and_exporting_one_run_are_kept_apart(run: Run, tmp_path: Path) -> None:
    with exclusion.exporting(run.path, tmp_path / "elsewhere"), pytest.raises(EdgeCifarError, match="another process"):
        train("resnet8", data="synthetic", limit=50, epochs=1, out=run.path, overwrite=True)
    with exclusion.training(run.path), pytest.raises(EdgeCifarError, match="another process is writing"):
        export(run, **ONE, out=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    assert run.finished


def test_results_of_an_earlier_bundle_go_with_it(run: Run) -> None:
    export(run, **ONE)
    results = ("verify.json", "bench.json", "bench-pi.json", "report.html", "drift.png", "profile.png")
    for name in results:
        (run.path / name).write_text("of the bundle that is replaced now")
    export(run, **ONE, overwrite=True)
    assert not [name for name in results if (run.path / name).exists()]
