"""Values for options from files and from the environment: which one wins, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from edge_cifar.cli import config, group
from edge_cifar.cli.main import main
from edge_cifar.documents.run import Run


@pytest.fixture
def trained(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What trainings were started with."""
    asked: list[dict[str, Any]] = []

    def train(backbone: str, **options: Any) -> Run:
        asked.append(options)
        return Run(Path("here"))

    monkeypatch.setattr("edge_cifar.steps.train.train", train)
    return asked


FILE = """
[train]
epochs = [3, 5]
seed = 1
learning-rate = 0.5
deterministic = true
mixed-precision = "bfloat16"
"""


def test_typed_beats_environment_beats_file_beats_default(
    trained: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own.toml").write_text(FILE)
    monkeypatch.setenv("EDGE_CIFAR_TRAIN_SEED", "2")
    monkeypatch.setenv("EDGE_CIFAR_TRAIN_LEARNING_RATE", "0.25")
    assert main(["train", "resnet8", "--seed", "3", "--config", "own.toml"]) == 0
    (asked,) = trained
    assert asked["seed"] == 3
    assert asked["learning_rate"] == 0.25
    assert asked["epochs"] == (3, 5)
    assert asked["deterministic"] is True
    assert asked["mixed_precision"] == "bfloat16"
    assert asked["alpha"] == 1.0


@pytest.mark.parametrize("way", ["before the command", "behind it", "variable", "pyproject", "pyproject above"])
def test_where_the_file_is_named(
    way: str, trained: list[dict[str, Any]], in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "resnet8"]
    if way.startswith("pyproject"):
        Path("pyproject.toml").write_text('[tool.other]\nx = 1\n[tool.edge-cifar]\ntrain = {seed = "4"}\n')
        if way == "pyproject above":
            (in_folder / "inner").mkdir()
            monkeypatch.chdir(in_folder / "inner")
    else:
        Path("own.toml").write_text("[train]\nseed = 4\n")
        if way == "variable":
            monkeypatch.setenv("EDGE_CIFAR_CONFIG", "own.toml")
        else:
            place = 0 if way == "before the command" else len(arguments)
            arguments[place:place] = ["--config", "own.toml"]
    assert main(arguments) == 0
    assert trained[0]["seed"] == 4


def test_commands_below_a_command_have_tables_of_their_own(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    Path("own.toml").write_text("[runs.ls]\njson = true\n")
    assert main(["runs", "ls", "--config", "own.toml"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": []}


def test_an_option_that_is_repeated_takes_a_list(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write_bundle(run: object, options: Any, *others: object, **more: object) -> None:
        asked.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_cifar.steps.export.write_bundle", write_bundle)
    Path("own.toml").write_text('[export]\nformat = ["tflite", "onnx"]\nprune = 0.5\n')
    assert main(["export", "--config", "own.toml"]) == 130
    assert asked[0].formats == ("tflite", "onnx")
    assert asked[0].prune == (0.5,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trian]\nseed = 1\n", "own.toml: unknown command 'trian'; did you mean 'train'?"),
        ("[train]\nepoch = 1\n", "own.toml: unknown option of train 'epoch'; did you mean 'epochs'?"),
        ("[train]\nconfig = 'x'\n", "own.toml: unknown option of train 'config'"),
        ("[train]\ndeterministic = 1\n", "train.deterministic must be true or false; got 1"),
        ("[export]\ntrust = true\n", "export.trust cannot be set in a file; it has to be typed"),
        ("[runs.rm]\nyes = true\n", "runs.rm.yes cannot be set in a file; it has to be typed"),
        ("[train.seed]\nx = 1\n", "train.seed must be a value, not a table"),
        ("train = 1\n", "train must be a table of options"),
        ("[train\n", "own.toml is not valid TOML"),
        (None, "cannot read own.toml"),
    ],
)
def test_what_a_file_says_wrong_is_one_sentence(
    text: str | None, said: str, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        Path("own.toml").write_text(text)
    assert main(["train", "resnet8", "--config", "own.toml"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not trained


def test_a_value_out_of_range_is_refused_as_if_it_were_typed(
    trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.toml").write_text("[train]\nlimit = 0\n")
    assert main(["train", "resnet8", "--config", "own.toml"]) == 2
    assert "--limit" in capsys.readouterr().err


def test_other_tools_projects_are_left_alone(trained: list[dict[str, Any]]) -> None:
    Path("pyproject.toml").write_text("[tool.other\n")
    assert main(["train", "resnet8"]) == 0


def test_every_option_has_a_variable_of_its_own() -> None:
    variables: list[str] = []

    def collect(command: click.Command) -> None:
        variables.extend(str(option.envvar) for option in config.options(command).values())
        for below in command.commands.values() if isinstance(command, click.Group) else ():
            collect(below)

    context = click.Context(group.cli)
    for name in group.COMMANDS.names():
        found = group.cli.get_command(context, name)
        assert found is not None
        collect(found)
    assert len(variables) > 80
    assert len(set(variables)) == len(variables)
    assert all(name.startswith("EDGE_CIFAR_") for name in variables)
    # These mean something else.
    assert not {"EDGE_CIFAR_DATA", "EDGE_CIFAR_ALLOCATOR"} & set(variables)
