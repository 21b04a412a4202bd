"""Correct and wrong predictions: which images are chosen, and what the page says if they are not available."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.report_samples import record_document, write

from edge_cifar.data import Dataset
from edge_cifar.documents.predictions import Predictions
from edge_cifar.errors import RunError
from edge_cifar.report import examples
from edge_cifar.steps.report import report

pytest.importorskip("jinja2", reason="the page needs Jinja2")
pytest.importorskip("plotly", reason="the page needs Plotly")


def predictions(labels: list[int], predicted: list[int], confidence: list[float] | None = None) -> Predictions:
    return Predictions(
        labels=np.array(labels),
        predicted=np.array(predicted),
        confidence=np.array(confidence or [0.5] * len(labels), np.float32),
    )


def test_images_that_tell_the_runs_apart_come_before_those_that_do_not() -> None:
    labels = [0] * 8
    one = predictions(labels, [0, 0, 0, 0, 0, 1, 1, 0])
    other = predictions(labels, [0, 0, 1, 0, 1, 0, 1, 0])
    assert set(examples.choose([one, other], 3)) == {2, 4, 5}
    assert set(examples.choose([one, other], 2)) < {2, 4, 5}
    assert 5 in examples.choose([one, other], 2), "both ways of differing take turns"
    assert {2, 4, 5, 6} < set(examples.choose([one, other], 5)), "then those that both got wrong, and right, in turn"


def test_of_one_run_right_and_wrong_are_shown_alike() -> None:
    said = predictions([0] * 10, [0] * 8 + [1] * 2)
    chosen = examples.choose([said], 4)
    assert said.right[chosen].tolist() == [True, True, False, False]


def test_the_surest_of_each_class_comes_first() -> None:
    said = predictions([0, 0, 0, 1, 1], [1, 1, 1, 0, 0], [0.5, 0.9, 0.8, 0.4, 0.3])
    assert examples.choose([said], 2) == [1, 3]
    assert examples.choose([said], 3) == [1, 3, 2]


def test_every_image_is_shown_once_when_there_are_few() -> None:
    said = predictions([0, 1], [0, 0])
    assert sorted(examples.choose([said, said], 12)) == [0, 1]


def kept_run(folder: Path, synthetic: Dataset, wrong: slice) -> Path:
    """A run on the ``synthetic`` fixture's images, with its answers and no weights."""
    record = record_document("resnet8", synthetic=True)
    record["data"] |= {"limit": 400, "checksum": synthetic.checksum, "image_shape": [32, 32, 3]}
    record["data"]["labels"] = list(synthetic.labels)
    record["recipe"]["validation_split"] = 0.1
    write(folder / "record.json", record)
    answers = synthetic.test.labels.copy()
    answers[wrong] = (answers[wrong] + 1) % 10
    confidence = np.linspace(0.5, 0.9, len(answers), dtype=np.float32)
    Predictions(labels=synthetic.test.labels, predicted=answers, confidence=confidence).write(
        folder / "predictions.npz"
    )
    return folder


def page(*runs: Path) -> str:
    return report(*runs, output=runs[0].parent / "page.html").read_text(encoding="utf-8")


def cards(html: str) -> list[str]:
    return re.findall(r"<li><img alt=.*?</li>", html)


def test_the_page_shows_the_same_images_with_every_runs_answer(tmp_path: Path, synthetic: Dataset) -> None:
    runs = [kept_run(tmp_path / "one", synthetic, slice(0, 20)), kept_run(tmp_path / "two", synthetic, slice(10, 40))]
    html = page(*runs)
    shown = cards(html)
    assert len(shown) == examples.COUNT
    assert (
        "one and two both classify 360 of 400 test images correctly and 10 incorrectly; on the other 30 they differ."
        in html
    )
    for card in shown:
        assert card.count('class="right"') == card.count('class="wrong"') == 1
        assert "<small>one</small>" in card
        assert "<small>two</small>" in card
        assert 'src="data:image/png;base64,iVBOR' in card
    assert 'href="#examples"' in html


def test_a_single_run_shows_right_and_wrong(tmp_path: Path, synthetic: Dataset) -> None:
    html = page(kept_run(tmp_path / "one", synthetic, slice(0, 50)))
    shown = cards(html)
    assert sum('class="right"' in card for card in shown) == sum('class="wrong"' in card for card in shown) == 6
    assert "one classifies 350 of 400 test images correctly." in html


def test_runs_called_alike_are_told_apart_by_the_folder_above(tmp_path: Path, synthetic: Dataset) -> None:
    runs = [kept_run(tmp_path / above / "resnet8", synthetic, slice(0, 20)) for above in ("before", "after")]
    for card in cards(page(*runs)):
        assert "<small>before/resnet8</small>" in card
        assert "<small>after/resnet8</small>" in card


def test_runs_on_other_images_are_not_compared(tmp_path: Path, synthetic: Dataset) -> None:
    one = kept_run(tmp_path / "one", synthetic, slice(0, 20))
    other = kept_run(tmp_path / "other", synthetic, slice(0, 20))
    record = record_document("resnet8")
    write(
        other / "record.json", record | {"data": record["data"] | {"name": "gone/photos", "image_shape": [32, 32, 3]}}
    )
    html = page(one, other)
    assert "<small>one</small>" not in html
    assert len(cards(html)) == examples.COUNT
    assert html.count("The images are not available") == 1


def test_without_the_data_the_page_says_how_to_get_them(
    tmp_path: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_CIFAR_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    run = kept_run(tmp_path / "one", synthetic, slice(0, 20))
    record = record_document("resnet8")
    record["data"] |= {"limit": None, "image_shape": [32, 32, 3]}
    record["recipe"]["validation_split"] = 0.1
    write(run / "record.json", record)
    html = page(run)
    assert "no cifar10 data found; download it with: edge-cifar data fetch --data cifar10" in html
    assert "one classifies 380 of 400 test images correctly." in html
    assert cards(html) == []


def test_predictions_of_other_images_are_one_sentence(tmp_path: Path, synthetic: Dataset) -> None:
    run = kept_run(tmp_path / "one", synthetic, slice(0, 20))
    predictions([1, 2], [1, 2]).write(run / "predictions.npz")
    with pytest.raises(RunError, match="does not match the test images; train again, or delete it"):
        page(run)
