"""Tables: what is shown in a narrow terminal, what is left out, and the other forms of the same rows."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from PIL import Image
from support import report_samples as samples
from support.terminal import Screen, on_terminal

from edge_cifar import backbones
from edge_cifar.cli import group, output
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.main import main
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.drift import Drift, LayerOutcome
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.export.sensitivity import LayerNoise
from edge_cifar.steps.diagnose import Diagnosis
from edge_cifar.tables import Cell, Column, Table
from edge_cifar.training.complexity import LayerCost
from edge_cifar.variant import Variant

WIDTHS = (60, 80, 100)
Show = Callable[..., Screen]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> Show:
    """Run a command on a terminal of a width."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return lambda width, *arguments: on_terminal(width, lambda: main(list(arguments)), monkeypatch)


# ---- every command that prints a table, on terminals of three widths


def bench_report(**options: Any) -> BenchReport:
    return BenchReport.from_json(samples.bench_document(**options), "bench.json")


def drift(variant: str) -> Drift:
    layers = tuple(
        LayerOutcome(
            name=f"block_{number}_depthwise_bn_relu6", kind="ReLU", state="same" if number else "apart", error=0.013
        )
        for number in range(20)
    )
    return Drift(variant=Variant.parse(variant), tolerance=0.01, images=4, layers=layers)


def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take minutes, with answers of the size that real ones have."""
    report = bench_report(synthetic=True)
    verified = VerifyReport.from_json(samples.verify_document(), "verify.json").results[:9]
    folder = samples.write_run(Path("runs/mobilenetv2"))
    (folder / "model.keras").write_bytes(b"weights")
    peaks = {"conversion of onnx": 3_000_000_000, "conversion of tflite": 2_000_000_000}
    bundle = replace(Bundle.open(Path("runs/mobilenetv2/export")), peak_memory_bytes=peaks)
    layer = LayerCost(
        name="block_13_depthwise_BN_relu_preprocess",
        type="DepthwiseConv2D",
        output_shape=(48, 48, 1280),
        parameters=2_257_984,
        multiply_adds=1_300_234_000,
    )
    noises = [LayerNoise(layer=f"block_{one}_expand_relu", kind="Conv2D", signal_to_noise_db=9.0) for one in range(12)]
    diagnosis = Diagnosis(model="toy", layers={"tflite": noises}, calibration={}, images=200, folder=Path("diagnosis"))
    for name, answer in (
        ("bench.bench", report),
        ("verify.verify", verified),
        ("export.write_bundle", bundle),
        ("models.layers", [layer] * 30),
        ("diagnose.diagnose", diagnosis),
    ):
        monkeypatch.setattr(f"edge_cifar.steps.{name}", lambda *_, _answer=answer, **__: _answer)


COMMANDS = {
    "models": ("models",),
    "models-layers": ("models", "mobilenetv2"),
    "bench": ("bench",),
    "verify": ("verify",),
    "export": ("export",),
    "diagnose": ("export", "--diagnose"),
    "plan": ("export", "--dry-run", "--overwrite"),
    "cache": ("data", "cache", "ls"),
    "data": ("data", "show", "--data", "synthetic", "--limit", "200"),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_line_is_longer_than_the_terminal(
    command: tuple[str, ...], width: int, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins(monkeypatch)
    screen = show(width, *command)
    assert screen.status == 0
    assert screen.widest <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_each_row_of_a_benchmark_takes_one_line(width: int, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch)
    row = re.compile(rf"({'|'.join(samples.MODELS)}) +([a-z]+-\w+) ")
    names = [found.groups() for line in show(width, "bench").lines if (found := row.match(line))]
    assert len(names) == len(set(names)) == 18


@pytest.mark.parametrize("width", WIDTHS)
def test_layers_of_many_variants_stand_below_each_other(
    width: int, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar.cli.commands import verify

    drifts = [drift(name) for name in ("tflite-fp32", "tflite-fp16", "tflite-int8", "onnx-fp32", "coreml-fp16")]
    screen = on_terminal(width, lambda: verify._print_layers(drifts, Layout()) or 0, monkeypatch)
    assert screen.widest <= width
    # No variant is left out, and each block repeats the layers.
    assert all(any(str(one.variant) in line for line in screen.lines) for one in drifts)
    blocks = sum(line.startswith("layer ") for line in screen.lines)
    assert (blocks > 1) == (width < 100)
    assert sum(line.startswith("block_0_") for line in screen.lines) == blocks


@pytest.mark.parametrize("width", WIDTHS)
def test_long_names_of_pictures_fit(width: int, show: Show, tflite_files: dict[str, Path]) -> None:
    picture = Path(f"a photo with a rather {'long ' * 10}name.jpg")
    Image.new("RGB", (8, 8), "red").save(picture)
    first, second = ("first.tflite", "second.tflite")
    for name, path in zip((first, second), tflite_files.values(), strict=False):
        shutil.copy(path, name)
    screen = show(width, "predict", first, str(picture), "--model", second, "--top", "2")
    assert screen.status == 0
    assert screen.widest <= width


def with_tables(command: click.Command, *words: str) -> Iterator[str]:
    """The commands, and those below them, that print tables."""
    if any(parameter.name == "wide" for parameter in command.params):
        yield " ".join(words)
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from with_tables(below, *words, name)


def test_every_command_with_a_table_is_captured_here_or_beside() -> None:
    found = {one for name in group.COMMANDS.names() for one in with_tables(group.COMMANDS.get(name), name)}
    here = {"models", "bench", "verify", "export", "data show", "data cache ls", "predict"}
    beside = {"runs ls", "runs diff"}
    assert found == here | beside


@pytest.mark.parametrize("width", WIDTHS)
def test_bars_are_never_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> int:
        with output.Terminal().bar("Evaluating a network with a long name " * 3, 40) as advance:
            for _ in range(40):
                advance(1)
        return 0

    screen = on_terminal(width, work, monkeypatch)
    assert "Evaluating" in screen.raw
    assert screen.widest <= width


# ---- what is left out


TABLE = Table(
    columns=(
        Column(name="model", key=True),
        Column(name="top1", title="top-1", unit="%", figures=".2f"),
        Column(name="p50", unit="ms", figures=",.1f", rank=1),
        Column(name="p99", unit="ms", figures=",.1f", rank=2),
        Column(name="note"),
    ),
    rows=(("resnet8", 91.5, 0.104, 1234.56, "ok"), ("mobilenetv2", 9.0, 12.0, None, "a|b")),
)


def test_the_least_important_columns_go_first_and_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(width: int, layout: Layout) -> Screen:
        return on_terminal(width, lambda: output.emit_table(TABLE, layout) or 0, monkeypatch)

    assert "p99" in shown(60, Layout()).lines[0]
    narrow = shown(30, Layout())
    assert narrow.lines[0].split() == ["model", "top-1", "p50", "note"]
    assert "no room for the columns p99; to see them: --wide, --columns p99,…" in " ".join(narrow.lines)
    assert shown(30, Layout(wide=True)).lines[0].split() == ["model", "top-1", "p50", "p99", "note"]
    asked = shown(24, Layout(columns=("model", "p99", "p50")))
    assert [line.split() for line in asked.lines if "model" in line] == [["model", "p99"], ["model", "p50"]]
    assert "no room" not in asked.raw


def test_text_stands_on_the_left_and_figures_on_the_right_with_one_precision(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.emit_table(TABLE, Layout())
    assert capsys.readouterr().out.splitlines() == [
        "model        top-1   p50      p99  note",
        "                 %    ms       ms",
        "───────────────────────────────────────",
        "resnet8      91.50   0.1  1,234.6  ok",
        "mobilenetv2   9.00  12.0        –  a|b",
    ]


def test_columns_without_anything_in_them_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows: tuple[tuple[Cell, ...], ...] = (("resnet8", None, None, None, "ok"),)
    output.emit_table(Table(columns=TABLE.columns, rows=rows), Layout())
    assert capsys.readouterr().out.split()[:2] == ["model", "note"]


# ---- other forms


def test_csv_has_numbers_in_full_and_units_in_the_headings(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_table(TABLE, Layout(form="csv"))
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["model", "top1 (%)", "p50 (ms)", "p99 (ms)", "note"],
        ["resnet8", "91.5", "0.104", "1234.56", "ok"],
        ["mobilenetv2", "9", "12", "", "a|b"],
    ]


def test_markdown_aligns_figures_and_keeps_cells_apart(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_table(TABLE, Layout(form="markdown", columns=("model", "top1", "note")))
    assert capsys.readouterr().out.splitlines() == [
        "| model | top-1 (%) | note |",
        "| --- | ---: | --- |",
        "| resnet8 | 91.50 | ok |",
        "| mobilenetv2 | 9.00 | a\\|b |",
    ]


def test_csv_leaves_nothing_else_on_standard_output(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins(monkeypatch)
    assert main(["bench", "--csv", "--columns", "model,variant,top1"]) == 0
    shown = capsys.readouterr()
    rows = list(csv.reader(io.StringIO(shown.out)))
    assert rows[0] == ["model", "variant", "top1 (%)"]
    assert len(rows) == 19
    assert {len(row) for row in rows} == {3}
    assert "next: edge-cifar report" in shown.err


def test_an_unknown_column_is_refused_before_anything_is_done(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "nowhere", "--columns", "sizes"]) == 2
    assert "unknown column 'sizes'; did you mean 'size'?" in capsys.readouterr().err


@pytest.mark.parametrize("forms", [("--csv", "--json"), ("--markdown", "--json"), ("--csv", "--markdown")])
def test_forms_exclude_each_other(forms: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *forms]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_piped_output_has_all_columns_and_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "source"
    assert len(lines) == len(backbones.names()) + 3
    assert "\x1b" not in "".join(lines)


# ---- sentences


@pytest.mark.parametrize("width", WIDTHS)
def test_sentences_break_between_words_and_commands_stay_whole(
    width: int, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "edge-cifar export 'my runs/a name with spaces'"
    sentence = f"the run {'with a long name ' * 5}has not been exported yet; run: {command}"
    screen = on_terminal(width, lambda: output.echo(sentence, err=True) or 0, monkeypatch)
    assert screen.widest <= width
    assert " ".join(screen.lines) == sentence
    assert any(command in line for line in screen.lines)


# ---- colours


def test_colours_say_again_what_words_say(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch)
    coloured = show(100, "verify")
    assert "\x1b[32mpass" in coloured.raw
    assert "\x1b[33munverified" in coloured.raw
    monkeypatch.setenv("NO_COLOR", "1")
    plain = show(100, "verify")
    assert "\x1b" not in plain.raw
    assert plain.lines == coloured.lines


@pytest.mark.parametrize("place", [0, 1], ids=["before the command", "behind it"])
def test_color_overrules_the_terminal_and_no_color(
    place: int, show: Show, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins(monkeypatch)

    def asked(choice: str) -> list[str]:
        arguments = ["verify"]
        arguments[place:place] = ["--color", choice]
        return arguments

    assert "\x1b" not in show(100, *asked("never")).raw
    assert "\x1b" in show(100, *asked("auto")).raw
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32mpass" in show(100, *asked("always")).raw
    assert main(asked("always")) == 0
    assert "\x1b[32mpass" in capsys.readouterr().out
    assert main([*asked("always"), "--json"]) == 0
    json.loads(capsys.readouterr().out)
