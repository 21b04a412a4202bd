"""Commands in messages: what is copied into a shell works, whatever the paths in it are called."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from pathlib import Path

import pytest

import edge_cifar
from edge_cifar.cli.main import main
from edge_cifar.command_line import command_line
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.steps.targets import open_bundle

SOURCES = sorted(Path(edge_cifar.__file__).parent.rglob("*.py"))


def test_a_path_with_a_space_stays_one_word() -> None:
    assert shlex.split(command_line("export", Path("with space"))) == ["edge-cifar", "export", "with space"]


def test_the_command_after_a_training_works_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge_cifar.steps.train.train", lambda backbone, **options: Run(Path(options["out"])))
    assert main(["train", "resnet8", "--out", "with space"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last.removeprefix("next: ")) == ["edge-cifar", "export", "with space"]


def test_the_way_out_of_an_error_works_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "record.json").write_text("{}")
    with (folder / "model.keras").open("wb"), pytest.raises(RunError) as refused:
        open_bundle(folder)
    assert shlex.split(str(refused.value).partition("; run: ")[2]) == ["edge-cifar", "export", str(folder)]


def test_no_message_writes_a_value_into_a_command_unquoted() -> None:
    unquoted = [
        f"{source}: {ast.unparse(node)}"
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        for text, value in itertools.pairwise(node.values)
        if isinstance(text, ast.Constant) and isinstance(value, ast.FormattedValue)
        if re.search(r"edge-cifar [a-z]+ [^;,`\n]*$", str(text.value))
    ]
    assert not unquoted
