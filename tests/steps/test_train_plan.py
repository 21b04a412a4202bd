"""``train --dry-run``: the phases, a time and a size on disk, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_cifar.cli.main import main
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.progress import SILENT
from edge_cifar.steps import train_plan
from edge_cifar.steps.train_plan import PhasePlan, TrainingPlan, TrainOptions, plan

SMALL = ("--data", "synthetic", "--limit", "120", "--batch-size", "8", "--dry-run")


def test_phases_are_timed_and_nothing_is_written(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow", reason="steps of a training are timed")
    assert main(["train", "resnet8", *SMALL, "--epochs", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (phase,) = document["phases"]
    assert document["images"] == {"train": 110, "validation": 10, "test": 120}
    assert (phase["epochs"], phase["steps"], phase["trainable_parameters"]) == (5, 14, 78_186)
    assert phase["seconds"] == pytest.approx(phase["step_seconds"] * 5 * (14 + 10 / 8 / 3))
    assert document["seconds"] == phase["seconds"] > 0
    # Weights as they are and the best ones, and one moment of each that is trained.
    assert document["checkpoint_bytes"] == 4 * (2 * 78_666 + 78_186)
    assert document["run_bytes"] == 4 * 78_666
    assert list(in_folder.iterdir()) == []


def test_what_would_be_refused_is_refused(in_folder: Path) -> None:
    folder = Path("runs/resnet8")
    folder.mkdir(parents=True)
    (folder / "record.json").touch()
    with pytest.raises(RunError, match="--increment"):
        plan(TrainOptions(backbone="resnet8", data="synthetic", limit=20), SILENT)


def test_people_get_a_table_and_two_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = PhasePlan(
        name="head", epochs=3, steps=700, trainable_parameters=12_810, cached=True, step_seconds=0.2, seconds=420.0
    )
    rest = PhasePlan(
        name="rest", epochs=9, steps=700, trainable_parameters=2_270_794, cached=False, step_seconds=0.9, seconds=5700.0
    )
    planned = TrainingPlan(
        run=Run(Path("runs/x")),
        device="cpu",
        parameters=2_270_794,
        images={"train": 45_000, "validation": 5_000, "test": 10_000},
        phases=(head, rest),
        run_bytes=9_000_000,
        checkpoint_bytes=27_000_000,
        cache_bytes=1_000_000_000,
    )
    asked: list[TrainOptions] = []

    def plan(options: TrainOptions, progress: object) -> TrainingPlan:
        asked.append(options)
        return planned

    monkeypatch.setattr(train_plan, "plan", plan)
    assert main(["train", "mobilenetv2", "--dry-run", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert asked[0].seed == 3
    assert lines[3].split()[:6] == ["head", "3", "700", "12,810", "200.0", "7.0"]
    assert "at most" in lines[3]
    assert "at most" not in lines[4]
    assert lines[-2] == "time: about 1.7 h, and the evaluation on the test images"
    assert lines[-1] == "disk: 9.0 MB in runs/x, and 1,027.0 MB until it ends"
