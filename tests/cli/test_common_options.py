"""Options of every command: quiet, verbose, the log file."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from support.terminal import on_terminal

from edge_cifar.cli import group
from edge_cifar.cli.main import main
from edge_cifar.documents.run import Run
from edge_cifar.errors import TrainingError
from edge_cifar.progress import Progress


@pytest.fixture(autouse=True)
def training(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that says what real ones do, and a library that logs."""

    def train(backbone: str, *, out: Path, seed: int, progress: Progress, **options: object) -> Run:
        with progress.bar("Training", 2) as advance:
            advance(2)
        progress.say("epoch 1\x1b[2J done")
        logging.getLogger("library").info("compiled in 3 s")
        if seed == 1:
            raise TrainingError("the loss is NaN")
        return Run(out)

    monkeypatch.setattr("edge_cifar.steps.train.train", train)


TRAIN = ("train", "resnet8", "--out", "here")


@pytest.mark.parametrize("place", [0, len(TRAIN)], ids=["before the command", "behind it"])
def test_quiet_leaves_results_and_errors(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN[:place], "-q", *TRAIN[place:]]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("run: here\n", "")
    assert main([*TRAIN, "--quiet", "--seed", "1"]) == 1
    assert capsys.readouterr().err == "edge-cifar: the loss is NaN\n"


def test_quiet_draws_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Training" in on_terminal(80, lambda: main([*TRAIN]), monkeypatch).raw
    assert "Training" not in on_terminal(80, lambda: main([*TRAIN, "-q"]), monkeypatch).raw


def test_verbose_tells_times_and_what_libraries_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN]) == 0
    assert "compiled" not in capsys.readouterr().err
    assert main([*TRAIN, "-v"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\[\d+\.\d s\] epoch 1\\x1b\[2J done", said[0])
    assert said[1:] == ["library: compiled in 3 s"]


def test_the_log_file_gets_everything_with_times_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    assert main(["--log-file", "logs/all.txt", *TRAIN, "--quiet"]) == 0
    assert main([*TRAIN, "--seed", "1", "--log-file", "logs/all.txt"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    text = Path("logs/all.txt").read_text()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \w+ \w+: ", line) for line in text.splitlines()[:5])
    assert [line.split(": ", 1)[1] for line in text.splitlines()[:6]] == [
        "edge-cifar",
        r"epoch 1\x1b[2J done",
        "compiled in 3 s",
        "run: here",
        "exit status 0",
        "edge-cifar",
    ]
    assert text.count("the loss is NaN") == 3  # the message, its line in the traceback, and the error at its end
    assert "Traceback" in text
    assert text.splitlines()[-1].endswith("exit status 1")
    assert (logging.getLogger().level, logging.getLogger().handlers) == before


def test_a_log_file_that_cannot_be_written_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    assert main([*TRAIN, "--log-file", "folder"]) == 1
    assert "cannot write folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", group.COMMANDS.names())
def test_every_command_and_those_below_it_take_them(command: str) -> None:
    import click

    found = group.LazyGroup().get_command(click.Context(group.cli), command)
    assert found is not None
    for one in (found, *(found.commands.values() if isinstance(found, click.Group) else ())):
        assert {"quiet", "verbose", "log_file", "color"} <= {parameter.name for parameter in one.params}
