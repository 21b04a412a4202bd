"""The model card that travels with a bundle."""

from __future__ import annotations

from edge_cifar.artifact import Bundle
from edge_cifar.run import Run
from edge_cifar.steps._export_card import card


def test_the_card_tells_what_the_model_is_and_how_each_format_is_run(tiny_run: Run, tiny_bundle: Bundle) -> None:
    text = (tiny_bundle.path / "README.md").read_text(encoding="utf-8")
    assert "MLPerf Tiny" in text
    assert f"{tiny_run.record()['multiply_adds']:,} multiply-adds" in text
    assert "**tflite.** On Android" in text
    assert all(f"| `{artifact.path.name}` |" in text for artifact in tiny_bundle.artifacts)


def test_the_card_says_where_figures_tell_nothing_of_photographs(tiny_bundle: Bundle) -> None:
    assert "The images are made by code" in (tiny_bundle.path / "README.md").read_text(encoding="utf-8")


def test_the_card_tells_whose_images_and_weights_they_are(tiny_run: Run, tiny_bundle: Bundle) -> None:
    record = tiny_run.record()

    def licences(name: str, weights: str) -> str:
        changed = {**record, "weights": weights, "data": {**record["data"], "name": name}}
        return card("x", changed, tiny_bundle.artifacts, record["data"]["labels"]).partition("## Licences")[2]

    assert "they are yours" in licences("cifar10", "none")
    assert "Krizhevsky" in licences("cifar10", "none")
    assert "Keras Applications" in licences("cifar100", "imagenet")
    assert "`mine.h5`" in licences("synthetic", "mine.h5")
    assert "a folder of your own" in licences("./pictures", "none")
