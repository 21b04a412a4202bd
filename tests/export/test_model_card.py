"""The model card that travels with a bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.documents.run import Run
from edge_cifar.export.model_card import card
from edge_cifar.variant import Variant


def test_the_card_tells_what_the_model_is_and_how_each_format_is_run(tiny_run: Run, tiny_bundle: Bundle) -> None:
    text = (tiny_bundle.path / "README.md").read_text(encoding="utf-8")
    assert "MLPerf Tiny" in text
    assert f"{tiny_run.record().multiply_adds:,} MACs" in text
    assert "**tflite.** Android" in text
    assert all(f"| `{artifact.path.name}` |" in text for artifact in tiny_bundle.artifacts)


def test_the_card_says_where_figures_tell_nothing_of_photographs(tiny_bundle: Bundle) -> None:
    assert "The images are synthetic" in (tiny_bundle.path / "README.md").read_text(encoding="utf-8")


def test_the_card_tells_whose_images_and_weights_they_are(tiny_run: Run, tiny_bundle: Bundle) -> None:
    record = tiny_run.record()

    def licences(name: str, weights: str) -> str:
        changed = replace(record, weights=weights, data=replace(record.data, name=name))
        return card("x", changed, tiny_bundle.artifacts, record.data.labels).partition("## Licences")[2]

    assert "the weights are yours" in licences("cifar10", "none")
    assert "Krizhevsky" in licences("cifar10", "none")
    assert "Keras Applications" in licences("cifar100", "imagenet")
    assert "`mine.h5`" in licences("synthetic", "mine.h5")
    assert "your own folder" in licences("./pictures", "none")


def test_the_card_names_what_was_asked_for_and_not_kept_with_the_way_out(tiny_run: Run, tiny_bundle: Bundle) -> None:
    record = tiny_run.record()
    labels = record.data.labels
    reason, way_out = "drops 28.00 points; --max-drop allows 1", "try a higher precision such as fp16"
    rejected = [Rejection(variant=Variant("onnx", "int8"), failed=("accuracy",), reason=reason, way_out=way_out)]
    text = card("x", record, tiny_bundle.artifacts, labels, rejected)
    assert f"Requested but **rejected**:\n\n- `onnx-int8`: {reason}; {way_out}.\n" in text
    assert "rejected" not in card("x", record, tiny_bundle.artifacts, labels)


def test_the_card_tells_how_many_images_each_file_was_compared_on(tiny_bundle: Bundle) -> None:
    text = (tiny_bundle.path / "README.md").read_text(encoding="utf-8")
    pairs = [(artifact, artifact.parity) for artifact in tiny_bundle.artifacts]
    compared = [(artifact, parity) for artifact, parity in pairs if parity and parity.status == "checked"]
    assert compared
    for artifact, parity in compared:
        assert f"| `{artifact.path.name}` | {artifact.size_bytes:,} | {parity.images:,} |" in text


@pytest.mark.parametrize(("low", "said"), [(0.0967, True), (0.85, False)])
def test_the_card_says_where_a_model_cannot_be_told_from_guessing(
    low: float, said: bool, tiny_run: Run, tiny_bundle: Bundle
) -> None:
    record = tiny_run.record()
    record = replace(record, test=replace(record.test, low=low))
    text = card("x", record, tiny_bundle.artifacts, record.data.labels)
    assert ("no better than chance" in text) == said
