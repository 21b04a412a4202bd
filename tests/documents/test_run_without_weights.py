"""A run that is kept for its figures: what works without its weights, and what says how to get them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.report_samples import record_document, write

from edge_cifar.cli.main import main
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.steps.choice import choose
from edge_cifar.steps.targets import open_bundle
from edge_cifar.steps.train import train

_WAY_OUT = r"resnet8 does not include its weights \(no model\.keras\); retrain it with: edge-cifar train resnet8$"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run folder with its record alone."""
    folder = tmp_path / "resnet8"
    write(folder / "record.json", record_document("resnet8"))
    return folder


def test_it_is_a_finished_run(kept: Path) -> None:
    assert Run.open(kept).finished


@pytest.mark.parametrize("asked", [open_bundle, choose])
def test_what_needs_the_weights_says_how_to_train_them_again(asked: object, kept: Path) -> None:
    assert callable(asked)
    with pytest.raises(RunError, match=_WAY_OUT):
        asked(kept)


def test_export_refuses_in_one_sentence_before_it_reads_any_data(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow", reason="export needs TensorFlow")
    assert main(["export", str(kept)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "retrain it with: edge-cifar train resnet8" in said.err
    assert not (kept / "export").exists()


def test_train_does_not_write_over_it_by_accident(kept: Path) -> None:
    with pytest.raises(RunError, match="contains a finished run; replace it with --overwrite"):
        train("resnet8", data="synthetic", out=kept)


def test_a_run_that_was_resumed_is_trained_from_the_start(kept: Path) -> None:
    record = json.loads((kept / "record.json").read_text(encoding="utf-8"))
    write(kept / "record.json", record | {"command": "edge-cifar train resnet8 --resume --epochs 3"})
    with pytest.raises(RunError, match=r"edge-cifar train resnet8 --epochs 3$"):
        Run(kept).demand_weights()


def test_a_record_without_its_command_still_gives_a_way_out(kept: Path) -> None:
    record = json.loads((kept / "record.json").read_text(encoding="utf-8"))
    del record["command"]
    write(kept / "record.json", record)
    with pytest.raises(RunError, match=r"retrain it with: edge-cifar train resnet8$"):
        Run(kept).demand_weights()
