"""``edge-cifar demo``: its folder, its commands, and (slow) the whole way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import pytest

from edge_cifar.cli.group import cli
from edge_cifar.cli.main import main
from edge_cifar.errors import CheckFailed, EdgeCifarError, RunError
from edge_cifar.progress import SILENT, Progress
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
    assert "contains something other than a demo" in capsys.readouterr().err
    assert precious.read_text() == "mine"


def test_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(RunError, match="something other"):
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
    assert "no model file, run or bundle at nothing" in shown.err
    assert "edge-cifar doctor" not in shown.err


def test_goes_on_without_the_variants_that_the_gate_rejected(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_cifar.cli.commands import export
    from edge_cifar.steps import demo as step

    def rejected(**options: object) -> None:
        raise CheckFailed("1 of 9 variants was rejected")

    monkeypatch.setattr(export.command, "callback", rejected)
    monkeypatch.setattr(step, "commands", lambda folder: [["export", "run"], ["doctor"]])
    assert main(["demo"]) == 0
    shown = capsys.readouterr()
    assert "1 of 9 variants was rejected" in shown.err
    assert "Train" in shown.out


# Of a network: what `make demo` was measured to take on two quiet cores, with Core ML among the formats and without.
SECONDS = {
    "export": {True: 33.0, False: 16.0},
    "verify": {True: 10.0, False: 3.0},
    "bench": {True: 18.0, False: 14.0},
    "report": {True: 1.5, False: 1.5},
}
START, DATA, COMPILING, VALIDATION = 6.0, 3.0, 5.0, 0.9
STEPS = {"resnet8": (71, 0.1), "baseline-cnn": (141, 0.045)}


class Machine:
    """A clock that goes on as a machine of some speed works through the demonstration's commands.

    Each takes what it was measured to take, times ``slower``.
    """

    def __init__(self, slower: float) -> None:
        self.now = 1000.0
        self._slower = slower
        self.done: list[tuple[str, ...]] = []
        self._all_formats = True
        self._command = cli.main

    def work(self, seconds: float) -> None:
        self.now += seconds * self._slower

    def main(self, arguments: list[str], *, obj: Progress | None = None, **options: Any) -> None:
        """In place of the command line, for all but the demonstration itself."""
        name, *options_given = arguments
        if name == "demo":
            self.work(START)
            self._command(arguments, **options)
            return
        if name != "train":
            if name == "export":
                self._all_formats = "--format" not in options_given
            networks = sum(given in ("demo/resnet8", "demo/baseline-cnn") for given in options_given)
            self.work(SECONDS[name][self._all_formats] * networks)
            self.done.append((name,))
            return
        backbone, epochs = options_given[0], int(options_given[options_given.index("--epochs") + 1])
        steps, seconds = STEPS[backbone]
        self.work(DATA)
        for epoch in range(epochs):
            with (obj or SILENT).bar(f"scratch {epoch + 1}/{epochs}", steps) as advance:
                for step in range(steps):
                    # Compiled in the first.
                    self.work(seconds if epoch or step else COMPILING)
                    advance(1)
            self.work(VALIDATION)
        self.done.append((name, backbone, str(epochs)))


def demonstrated(slower: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, float]:
    """The demonstration on a machine, and the seconds that it took there."""
    machine = Machine(slower)
    monkeypatch.setattr(cli, "main", machine.main)
    monkeypatch.setattr(time, "perf_counter", lambda: machine.now)
    start = machine.now
    assert main(["demo"]) == 0
    return machine, machine.now - start


def test_a_quick_machine_does_it_all(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine, seconds = demonstrated(1.0, monkeypatch)
    names = [("train", "resnet8", "10"), ("train", "baseline-cnn", "12")]
    assert machine.done == [*names, *[("export",)] * 2, *[("verify",)] * 2, ("bench",), ("report",)]
    assert seconds < 600
    assert "shortened" not in capsys.readouterr().err


@pytest.mark.parametrize("slower", [2.0, 3.0, 5.0])
def test_a_slow_machine_shortens_it_to_ten_minutes_and_says_so(
    slower: float, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine, seconds = demonstrated(slower, monkeypatch)
    assert seconds < 600
    assert [name for name, *_ in machine.done][-2:] == ["bench", "report"]
    trained = [(done[1], int(done[2])) for done in machine.done if done[0] == "train"]
    # No shorter than it has to be.
    assert all(epochs >= 4 for _, epochs in trained)
    assert seconds > 300
    said = capsys.readouterr().err
    assert "Shortening the demo to finish within ten minutes: a training step takes" in said
    assert all(f"{backbone} for {epochs} epochs" in said for backbone, epochs in trained)


def test_a_machine_slower_still_does_the_least(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, _ = demonstrated(50.0, monkeypatch)
    assert machine.done == [("train", "resnet8", "4"), ("export",), ("verify",), ("bench",), ("report",)]


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
