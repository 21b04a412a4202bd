"""Pictures: they exist, are PNG, small, and the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.report_samples import (
    LABELS,
    bench_document,
    benchmark,
    classification_document,
    record_document,
    write_mistakes,
)

from edge_cifar import backbones
from edge_cifar.data import Split
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.report import figures, palette, scatter, sheets

pytest.importorskip("matplotlib", reason="pictures need Matplotlib")

GENERATOR = np.random.default_rng(0)
# Soft blots: photographs compress better than noise does.
IMAGES = np.kron(GENERATOR.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8), np.ones((1, 4, 4, 1), np.uint8))
TRUE = np.arange(60, dtype=np.int64) % 10


def record_of(document: dict[str, Any]) -> RunRecord:
    return RunRecord.from_json(document, "record.json")


def short_record() -> RunRecord:
    record = record_document("resnet8")
    record["history"] = record["history"][:1]
    record["history"][0]["val_accuracy"] = None
    return record_of(record)


PICTURES: dict[str, Callable[[Path], None]] = {
    "curves": lambda path: figures.curves(record_of(record_document("mobilenetv2")), path),
    "curves-of-one-epoch-without-validation": lambda path: figures.curves(short_record(), path),
    "confusion": lambda path: figures.confusion(classification_document()["confusion"], LABELS, path),
    "confusion-of-many-classes": lambda path: figures.confusion(
        np.eye(30, dtype=np.int64), [f"class {number}" for number in range(30)], path
    ),
    "mistakes": write_mistakes,
    "no-mistakes": lambda path: figures.mistakes(IMAGES, TRUE, np.eye(10, dtype=np.float32)[TRUE], LABELS, path),
    "samples": lambda path: figures.samples(Split(images=IMAGES, labels=TRUE), LABELS, path),
    "samples-of-many-classes": lambda path: figures.samples(
        Split(images=IMAGES, labels=np.arange(60, dtype=np.int64) % 30), [str(number) for number in range(30)], path
    ),
    "samples-of-large-images-and-an-empty-class": lambda path: figures.samples(
        Split(images=np.zeros((4, 90, 160, 3), np.uint8), labels=np.zeros(4, np.int64)), ["all", "none"], path
    ),
    "trade-off": lambda path: scatter.trade_off(benchmark(bench_document()).measurements, path),
}


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_is_a_small_png_and_the_same_every_time(draw: Callable[[Path], None], tmp_path: Path) -> None:
    draw(tmp_path / "one.png")
    draw(tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").stat().st_size < 150_000
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG"
        picture.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_names_are_text_and_not_mathematics(tmp_path: Path) -> None:
    names = ["$\\frac{", "a_b$", "$$"]
    figures.confusion(np.eye(3, dtype=np.int64), names, tmp_path / "confusion.png")
    record = record_document("resnet8")
    record["history"][0]["phase"] = record["backbone"] = "$\\oops{$"
    figures.curves(record_of(record), tmp_path / "curves.png")
    figures.samples(Split(images=IMAGES, labels=TRUE % 3), names, tmp_path / "samples.png")
    assert {path.stem for path in tmp_path.iterdir()} == {"confusion", "curves", "samples"}


def test_mistakes_are_sorted_by_confidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def keep(images: object, captions: list[tuple[str, str]], title: str, path: Path) -> None:
        seen.extend([title, *(below for _, below in captions)])

    monkeypatch.setattr(sheets, "captioned", keep)
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8]], np.float32)
    figures.mistakes(IMAGES[:3], np.array([1, 0, 1]), probabilities, ["cat", "dog"], tmp_path / "mistakes.png")
    assert seen == ["2 of 3 images misclassified; the 2 most confident errors", "→ dog, 90 %", "→ cat, 60 %"]


def test_the_still_picture_carries_the_digest_of_its_figures(tmp_path: Path) -> None:
    rows = benchmark(bench_document()).measurements
    others = benchmark(bench_document(speed=2.0)).measurements
    scatter.trade_off(rows, tmp_path / "trade-off.svg")
    text = (tmp_path / "trade-off.svg").read_text(encoding="utf-8")
    assert scatter.digest(rows) in text
    assert scatter.digest(others) not in text


def test_every_backbone_has_a_colour_of_its_own() -> None:
    colours = palette.colours(backbones.names())
    assert len(set(colours.values())) == len(backbones.names())
