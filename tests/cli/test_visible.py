"""What files tell reaches a terminal and a page spelt out where it would steer them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image
from support.mean_colour import CLASSES, onnx_file
from support.report_samples import bench_document

from edge_cifar.cli import output
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.main import main
from edge_cifar.steps.report import report
from edge_cifar.tables import Column, Table
from edge_cifar.visible import all_visible, visible

CLI = Path(output.__file__).parent
SPELT = {
    "escape sequence": ("\x1b[2J\x1b[31mcat", r"\x1b[2J\x1b[31mcat"),
    "override": ("cat\u202egnp.exe", r"cat\u202egnp.exe"),
    "isolate": ("\u2066cat\u2069", r"\u2066cat\u2069"),
    "C1 control": ("\x9b31mcat", r"\x9b31mcat"),
    "carriage return": ("cat\rdog", r"cat\rdog"),
    "line break": ("cat\n$ rm -rf ~", r"cat\n$ rm -rf ~"),
    "line separator": ("cat\u2028dog", r"cat\u2028dog"),
    "bell, delete": ("\x07\x7f", r"\x07\x7f"),
    "tag": ("cat\U000e0041", r"cat\U000e0041"),
    "name that is no text": ("caf\udce9", r"caf\udce9"),
}
SHOWN = [
    "cat",
    "naïve",
    "猫",
    "кот",
    "قطة",
    "\u0645\u06cc\u200c\u062e\u0648\u0645",
    "👩\u200d🔬",
    "a\u00a0b",
    "",
    "résumé ★ → ×",
]


@pytest.mark.parametrize(("text", "spelt"), SPELT.values(), ids=SPELT)
def test_what_steers_is_spelt_out(text: str, spelt: str) -> None:
    assert visible(text) == spelt
    assert all_visible({text: [text, (text,), 1, None]}) == {spelt: [spelt, [spelt], 1, None]}


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_only_shown_stays(text: str) -> None:
    assert visible(text) == text


def steering(text: str) -> list[str]:
    return [one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and one != "\n"]


def hostile_model(path: Path) -> Path:
    """A model that names its classes in its metadata, with every sequence above."""
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    model = onnx.load(onnx_file(path))
    labels = [text for text, _ in SPELT.values() if "\udce9" not in text]
    labels += [f"class {number}" for number in range(len(labels), CLASSES)]
    onnx.helper.set_model_props(model, {"labels": json.dumps(labels)})
    onnx.save(model, path)
    return path


def test_labels_and_names_never_reach_a_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    model = hostile_model(tmp_path / "tiny\u202egnp.onnx")
    picture = tmp_path / "red\x1b[31m.png"
    Image.new("RGB", (5, 6), "red").save(picture)
    assert main(["predict", str(model), str(picture), "--top", str(CLASSES)]) == 0
    told = capsys.readouterr()
    assert steering(told.out + told.err) == []
    for _, spelt in SPELT.values():
        assert spelt in told.out or "dce9" in spelt
    assert r"red\x1b[31m.png" in told.out
    # A program is given them as they are, as JSON escapes.
    assert main(["predict", str(model), str(picture), "--top", str(CLASSES), "--json"]) == 0
    answer = capsys.readouterr().out
    assert answer.isascii()
    assert steering(answer) == []
    labels = {one["label"] for one in json.loads(answer)["results"][0]["predictions"]}
    assert labels >= {text for text, _ in SPELT.values() if "\udce9" not in text}


def test_errors_and_progress_are_spelt_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--debug", "report", str(tmp_path / "a\x1b[2J\u202e.json")]) == 1
    output.Terminal().say("of \x1b]0;title\x07")
    told = capsys.readouterr().err
    assert r"a\x1b[2J\u202e.json" in told
    assert r"of \x1b]0;title\x07" in told
    assert steering(told) == []


@click.command(context_settings={"color": True})
def printing() -> None:
    """Prints a name which forges a colour, and a mark of our own beside it."""
    mark = output.status("failed", good=False)
    table = Table(columns=(Column(name="name"), Column(name="status")), rows=(("\x1b[32mpass", mark),))
    output.emit_table(table, Layout())
    output.echo("\x1b[32mpass")
    output.echo(mark)


def test_only_our_own_colours_reach_a_terminal() -> None:
    result = CliRunner().invoke(printing, color=True)
    assert result.output.count("\x1b[31m") == 2
    assert "\x1b[32m" not in result.output
    assert result.output.count(r"\x1b[32mpass") == 2


def test_the_page_spells_them_out(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the page holds its charts")
    document = bench_document()
    for row in document["results"]:
        row["model"] = "res\u202enet\u2066"
        row["reason"] = "\x1b[31m because"
    (tmp_path / "bench.json").write_text(json.dumps(document))
    page = report(tmp_path / "bench.json", output=tmp_path / "page.html").read_text(encoding="utf-8")
    assert r"res\u202enet\u2066" in page
    assert re.findall("[\u202a-\u202e\u2066-\u2069\x1b]", page) == []


def test_nothing_else_here_prints() -> None:
    """Whatever the commands print passes through what spells it out."""
    prints = {
        path.name
        for path in CLI.glob("*.py")
        if re.search(r"\bclick\.s?echo\(|\bprint\(|std(out|err)\.write\(|print_exc\(", path.read_text(encoding="utf-8"))
    }
    # The last word after a signal is ours, and said without importing anything.
    assert prints == {"output.py", "main.py"}
