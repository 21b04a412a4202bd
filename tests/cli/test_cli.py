"""The command line as a user meets it: help, exit statuses, suggestions, completion."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support import ROOT
from support.pace import program, times_longer

from edge_cifar import formats
from edge_cifar.cli import group
from edge_cifar.cli.main import main
from edge_cifar.cli.sections import Sectioned
from edge_cifar.errors import EdgeCifarError, UsageError

COMMANDS = group.COMMANDS.names()
# None of these may be imported to print a help text.
HEAVY = (
    "ai_edge_litert",
    "coremltools",
    "flask",
    "keras",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "plotly",
    "scipy",
    "sklearn",
    "tensorflow",
)
SCRIPT = Path(sys.executable).with_name("edge-cifar")


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in COMMANDS)], ids=lambda command: "-".join(command) or "group"
)
def test_help_answers_at_once_and_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    script = (
        "import json, sys; from edge_cifar.cli.main import main; status = main(sys.argv[1:]); "
        "json.dump([status, sorted(sys.modules)], sys.stderr)"
    )
    answer = program("-c", script, *command, "--help")
    answers: list[subprocess.CompletedProcess[str]] = []
    # Measured: 1.9 to 2.9 times.
    assert times_longer(lambda: answers.append(answer()), program("-c", "import click")) <= 4
    done = answers[0]
    status, modules = json.loads(done.stderr)
    assert status == 0
    assert "edge-cifar" in done.stdout
    assert not set(HEAVY) & set(modules)


@pytest.mark.parametrize("name", formats.exported())
def test_help_of_export_shows_every_precision(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    format_ = formats.get(name)
    assert main(["export", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{name} (default: {', '.join(format_.defaults)})" in shown
    assert all(f"{precision} {one.meaning}" in shown for precision, one in format_.precisions.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    examples = [line for line in shown.splitlines() if line.strip().startswith(f"edge-cifar {command}")]
    assert examples


def test_no_command_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    shown = "".join(capsys.readouterr())
    assert all(name in shown for name in COMMANDS)


def test_commands_stand_in_the_order_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("\nStart:\n")[2]
    shown = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    places = [shown.index(name) for name in ("demo", "models", "train", "export", "verify", "bench", "report", "serve")]
    assert places == sorted(places)
    assert set(COMMANDS) <= set(shown)


@pytest.mark.parametrize("command", ["train", "export", "bench"])
def test_options_stand_in_sections(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = group.COMMANDS.get(command)
    assert isinstance(found, Sectioned)
    named = [name for names in found.sections.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= {parameter.name for parameter in found.params}
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [f"{title}:" for title in found.sections] == [
        line for line in shown.splitlines() if line.rstrip(":") in found.sections
    ]
    options = [one for one in found.params if isinstance(one, click.Option) and not one.hidden]
    assert all(any(opt in shown for opt in one.opts) for one in options)


@pytest.mark.parametrize("command", COMMANDS)
def test_o_is_short_for_where_the_output_goes(command: str) -> None:
    found = group.COMMANDS.get(command)
    for one in (found, *(found.commands.values() if isinstance(found, click.Group) else ())):
        for parameter in one.params:
            if {"--out", "--output"} & set(parameter.opts) and parameter.name in ("out", "output"):
                assert "-o" in parameter.opts


def test_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


def test_misspelt_backbone_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "resnet88"]) == 2
    assert "did you mean 'resnet8'?" in capsys.readouterr().err


def test_misspelt_option_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["doctor", "surplus"], 2),
        (["train", "resnet9"], 2),
        (["train", "resnet8", "--limit", "0"], 2),
        (["predict", "nothing.tflite", "nothing.png", "--top", "0"], 2),
        (["predict", "nothing.tflite", "nothing.png"], 1),
        (["export", "nothing"], 1),
        (["export", "--format", "tfltie"], 2),
        (["verify", "nothing"], 1),
        (["bench", "nothing"], 1),
        (["report", "nothing"], 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_exit_status(arguments: list[str], status: int, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    if status:
        assert shown.out == ""
        assert len(shown.err.strip().splitlines()[-1]) > 20


def test_the_documented_statuses_are_those_that_commands_end_with() -> None:
    section = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").split("## Exit status\n")[1]
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    ended = {128 + number for number in (signal.SIGINT, signal.SIGTERM)}
    assert documented == {0, EdgeCifarError.exit_status, UsageError.exit_status, *ended}


def test_debug_shows_the_traceback(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "nothing.tflite", "nothing.png", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from edge_cifar.steps import doctor

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "doctor", interrupted)
    assert main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_error() -> None:
    pipeline = subprocess.run(
        f"'{sys.executable}' -m edge_cifar doctor --json | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert pipeline.stdout == "{\n"
    assert "Traceback" not in pipeline.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("edge-cifar do", "doctor"),
        ("edge-cifar doctor --js", "--json"),
        ("edge-cifar train mobilenetv2", "plain,mobilenetv2"),
        ("edge-cifar models vgg-s", "plain,vgg-scratch"),
        ("edge-cifar export --format tfl", "plain,tflite"),
        ("edge-cifar data show --data syn", "plain,synthetic"),
        ("edge-cifar bench --data ph", "dir,ph"),
        ("edge-cifar export --precision int8-q", "plain,int8-qat"),
        ("edge-cifar export --calibration-method ent", "plain,entropy"),
        ("edge-cifar bench --backend xnnpack,buil", "plain,xnnpack,builtin"),
        ("edge-cifar train resnet8 --recipe re", "plain,report"),
        ("edge-cifar runs show some", "plain,some-run"),
        ("edge-cifar export runs/so", "plain,runs/some-run"),
    ],
)
def test_shell_completion(words: str, expected: str, in_folder: Path) -> None:
    Path("runs/some-run/checkpoint").mkdir(parents=True)
    environment = {
        **os.environ,
        "_EDGE_CIFAR_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=True, env=environment)
    assert expected in done.stdout


def test_what_the_file_system_refuses_is_one_line(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "x" * 300]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "File name too long" in said
