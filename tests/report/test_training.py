"""What the page says of trainings: figures with their intervals, runs side by side, every phase of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import record_document, write

from edge_cifar.documents.run import Run
from edge_cifar.report.trained import read_run
from edge_cifar.report.training_view import compared, trained

_COLOURS = {"scratch": "#000", "frozen": "#111", "unfrozen": "#222"}


def run_of(folder: Path, phases: list[tuple[str, Any, list[float]]], weights: str) -> Any:
    """A run whose phases are (name, what is trained, validation accuracy by epoch)."""
    record = record_document("mobilenetv2")
    record["weights"] = weights
    record["recipe"]["phases"] = [{"name": name, "trainable": trainable} for name, trainable, _ in phases]
    record["phases"] = [
        {"name": name, "epochs": len(reached), "trainable_parameters": 10, "seconds": 100.0 * len(reached)}
        for name, _, reached in phases
    ]
    epochs = [(name, accuracy) for name, _, reached in phases for accuracy in reached]
    record["history"] = [
        {"epoch": number, "phase": name, "val_accuracy": accuracy} for number, (name, accuracy) in enumerate(epochs, 1)
    ]
    write(folder / "record.json", record)
    return read_run(Run(folder))


@pytest.fixture
def runs(tmp_path: Path) -> list[Any]:
    return [
        run_of(tmp_path / "scratch", [("scratch", "all", [0.4, 0.6])], "none"),
        run_of(tmp_path / "frozen", [("frozen", "head", [0.5, 0.7])], "imagenet"),
        run_of(tmp_path / "unfrozen", [("frozen", "head", [0.7]), ("fine-tune", -10, [0.65, 0.9])], "imagenet"),
    ]


def test_scratch_frozen_and_unfrozen_stand_side_by_side_phase_by_phase(runs: list[Any]) -> None:
    view = compared(runs, _COLOURS)
    assert view is not None
    lines = [
        (row["run"], row["name"], row["start"], row["trainable"], row["accuracy"]["text"].replace("\u00a0", " "))
        for row in view["phases"]
    ]
    assert lines == [
        ("scratch", "scratch", "from scratch", "all layers", "60.00 %"),
        ("frozen", "frozen", "from ImageNet weights", "head only", "70.00 %"),
        ("unfrozen", "frozen", "from ImageNet weights", "head only", "70.00 %"),
        ("", "fine-tune", "after frozen", "all but the first 10 layers", "90.00 %"),
    ]
    assert [row["time"]["share"] for row in view["phases"]] == [1.0, 1.0, 0.5, 1.0]
    assert [row["accuracy"]["share"] for row in view["phases"]] == [0.6, 0.7, 0.7, 0.9]


def test_a_phase_that_was_no_better_leaves_the_accuracy_before_it(tmp_path: Path, runs: list[Any]) -> None:
    worse = run_of(tmp_path / "scratch", [("frozen", "head", [0.7]), ("fine-tune", 4, [0.2])], "imagenet")
    view = compared([worse, runs[1]], _COLOURS)
    assert view is not None
    assert [row["accuracy"]["share"] for row in view["phases"][:2]] == [0.7, 0.7]
    assert view["phases"][1]["trainable"] == "head and last 4 layers"


def test_runs_are_compared_in_accuracy_time_parameters_and_multiply_adds(runs: list[Any]) -> None:
    view = compared(runs, _COLOURS)
    assert view is not None
    assert {"Top-1", "Training time", "Parameters", "MACs"} <= set(view["columns"])
    for row in view["rows"]:
        assert len(row["cells"]) == len(view["columns"])
        assert all(0 < cell["share"] <= 1 for cell in row["cells"])
        assert row["interval"] == "93.62 to 94.62"


def test_a_single_run_is_compared_with_nothing(runs: list[Any]) -> None:
    assert compared(runs[:1], _COLOURS) is None


def test_a_run_tells_its_accuracy_with_interval_its_means_and_its_calibration(runs: list[Any]) -> None:
    lead = trained(runs[0])["lead"].replace("\u00a0", " ")
    assert "Top-1 94.12 % (95 % CI 93.62 to 94.62) on 10,000 test images of cifar10." in lead
    assert re.search(r"Macro averages: precision 94\.12 %, recall 94\.12 %, F1 94\.12 %\.", lead)
    assert "Expected calibration error 2.10 %." in lead
