"""JSON from anywhere: what Python's parser lets through and trips over later is one sentence at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import bench_document

import edge_cifar
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError
from edge_cifar.runtimes import embedded_labels
from edge_cifar.steps import remote
from edge_cifar.storage import files, strict_json

PACKAGE = Path(edge_cifar.__file__).parent
REFUSED = {
    "400 digits": (json.dumps({"a": 10**399}), "an integer of 400 digits"),
    "5,000 digits": ('{"a": -1' + "0" * 4999 + "}", "an integer of 5000 digits"),
    "65 bits": (json.dumps({"a": 2**64}), "does not fit into 64 bits"),
    "65 bits, negative": (json.dumps({"a": -(2**63) - 1}), "does not fit into 64 bits"),
    "lone surrogate": (r'{"a": "\ud800"}', "lone surrogate"),
    "low surrogate": (r'{"a": "x\uDFFFx"}', "lone surrogate"),
    "surrogate as a key": (r'{"\ud83d": 1}', "lone surrogate"),
    "surrogates the wrong way round": (r'"\ude00\ud83d"', "lone surrogate"),
    "surrogate after a backslash": (r'"\\\ud83d"', "lone surrogate"),
    "no end of brackets": ("[" * 100_000, "nested too deeply"),
}
TAKEN = {
    "64 bits": (str(2**64 - 1), 2**64 - 1),
    "64 bits, negative": (str(-(2**63)), -(2**63)),
    "pair": (r'"\ud83d\ude00"', "😀"),
    "spelt out": (r'"\\ud83d"', r"\ud83d"),
    "many digits after the point": ("0." + "1" * 400, float("0." + "1" * 400)),
    "digits in a text": (json.dumps("9" * 400), "9" * 400),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_trips_python_up_later_is_refused(text: str, sentence: str) -> None:
    for content in (text, text.encode()):
        with pytest.raises(ValueError, match=sentence):
            strict_json.parse(content)


@pytest.mark.parametrize(("text", "value"), TAKEN.values(), ids=TAKEN)
def test_what_is_sound_is_taken(text: str, value: Any) -> None:
    assert strict_json.parse(text) == value
    assert strict_json.parse(strict_json.dump(value)) == value


@pytest.mark.parametrize("name", ["plain.txt", "caf\udce9", "\udcff\ud83d", "\\\udcff", "\\ud800", "😀"])
def test_a_name_that_is_no_text_is_written_so_that_it_is_read_back(name: str, tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {name: [name]})
    ((key, (value,)),) = files.read_json(tmp_path / "a.json", "document").items()
    assert key == value
    assert value == re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", name)


def test_a_document_of_absurd_size_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" + "[]," * (6 << 20) + "0]")
    with pytest.raises(BundleError, match="larger than the limit of 16 MiB"):
        files.read_json(tmp_path / "a.json", "manifest")


def _manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    Bundle.open(folder)


def _record(folder: Path, text: str) -> None:
    (folder / "record.json").write_text(text)
    Run(folder).record()


READERS: dict[str, Callable[[Path, str], object]] = {
    "manifest": _manifest,
    "record": _record,
    "labels in a model": lambda folder, text: embedded_labels.parsed(text, "model.tflite"),
    "another machine's answer": lambda folder, text: remote._parsed(text, "pi"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("text", [text for text, _ in REFUSED.values()], ids=REFUSED)
def test_every_reader_refuses_it_in_one_sentence(
    read: Callable[[Path, str], object], text: str, tmp_path: Path
) -> None:
    with pytest.raises(EdgeCifarError) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)
    str(refused.value).encode("utf-8")


@pytest.mark.parametrize("value", [10**399, "cat\ud800"], ids=["400 digits", "lone surrogate"])
@pytest.mark.parametrize("key", ["machine", "results"])
def test_commands_answer_with_one_sentence(
    key: str, value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = bench_document() | {key: value}
    (tmp_path / "bench.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path / "bench.json"), "-o", str(tmp_path / "page.html")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("edge-cifar: ")
    assert "is not valid JSON" in told
    assert "Traceback" not in told
    assert not (tmp_path / "page.html").exists()


def test_nothing_else_here_parses_json() -> None:
    """So that what is refused there is refused everywhere."""
    parsers = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bjson\.loads?\(|JSONDecoder|\.json\(\)|get_json", path.read_text(encoding="utf-8"))
    ]
    assert parsers == ["storage/strict_json.py"]
