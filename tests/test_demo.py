"""``edge-cifar demo``: its folder, its commands, and (slow) the whole way."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from edge_cifar.cli._group import cli
from edge_cifar.cli._main import main
from edge_cifar.errors import CheckFailed, EdgeCifarError, RunError
from edge_cifar.steps.demo import MARKER, commands, prepare


def test_folder_is_made_and_recognized_again(tmp_path: Path) -> None:
    prepare(tmp_path / "demo")
    (tmp_path / "demo" / "resnet8").mkdir()
    prepare(tmp_path / "demo")
    assert (tmp_path / "demo" / "resnet8").is_dir()


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert (tmp_path / MARKER).is_file()


def test_folder_with_something_else_is_left_alone(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_folder / "demo").mkdir()
    precious = in_folder / "demo" / "precious.txt"
    precious.write_text("mine")
    assert main(["demo"]) == 1
    assert "holds something else than a demo" in capsys.readouterr().err
    assert precious.read_text() == "mine"


def test_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(RunError, match="something else"):
        prepare(tmp_path / "demo")


def test_place_that_cannot_be_written_costs_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeCifarError, match="cannot write"):
        prepare(tmp_path / "file" / "demo")


def test_commands_are_what_a_user_could_type() -> None:
    listed = commands(Path("demo"))
    assert [arguments[0] for arguments in listed] == [
        *["train"] * 2,
        *["export"] * 2,
        *["verify"] * 2,
        "bench",
        "report",
    ]
    for name, *arguments in listed:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        # Parses every option and value, and runs nothing.
        command.make_context(name, list(arguments))


def test_stops_at_the_first_command_that_fails(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_cifar.steps import demo as step

    monkeypatch.setattr(step, "commands", lambda folder: [["verify", "nothing"], ["doctor"]])
    assert main(["demo"]) == 1
    shown = capsys.readouterr()
    assert "no run or bundle at nothing" in shown.err
    assert "edge-cifar doctor" not in shown.err


def test_goes_on_without_the_variants_that_the_gate_rejected(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_cifar.cli import export
    from edge_cifar.steps import demo as step

    def rejected(**options: object) -> None:
        raise CheckFailed("1 of 9 variants was not kept")

    monkeypatch.setattr(export.command, "callback", rejected)
    monkeypatch.setattr(step, "commands", lambda folder: [["export", "run"], ["doctor"]])
    assert main(["demo"]) == 0
    shown = capsys.readouterr()
    assert "1 of 9 variants was not kept" in shown.err
    assert "Train" in shown.out


@pytest.mark.slow
def test_the_whole_way_and_once_more(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["demo"]) == 0
        shown = capsys.readouterr()
        table, _, page = shown.out.strip().rpartition("\n")
        assert "★" in table
        assert "<!doctype html>" in Path(page).read_text(encoding="utf-8")[:200].lower()
        results = json.loads((in_folder / "demo" / "bench.json").read_text(encoding="utf-8"))["results"]
        assert {row["model"] for row in results} == {"resnet8", "baseline-cnn"}
        assert all(row["status"] in ("ok", "skipped") for row in results)
        assert all(row["accuracy"]["top1"] > 0.8 for row in results if row["status"] == "ok")
