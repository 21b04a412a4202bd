"""Images whose class changed by conversion, on the page and from broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import verified_row, verify_document
from support.stand_in_litert import IMAGES, bundle_of

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import EdgeCifarError
from edge_cifar.report import changes


def result(variant: str, *images: int, model: str = "tiny", **other: Any) -> dict[str, Any]:
    changed = [{"image": image, "label": "cat", "reference": "cat", "artifact": "dog"} for image in images]
    return verified_row(model, variant, **{"changed": changed, **other})


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path / "export", fp32="fine", int8="fine")


def found(bundle: Bundle, *results: dict[str, Any]) -> changes.Changes | None:
    return changes.of_bundle(bundle, VerifyReport.from_json(verify_document(*results), "verify.json").results)


def test_images_that_most_artifacts_changed_come_first(bundle: Bundle) -> None:
    shown = found(bundle, result("tflite-fp32", 7), result("tflite-int8", 3, 7))
    assert shown is not None
    assert [(row.number, [variant for variant, _ in row.artifacts]) for row in shown.rows] == [
        (7, ["tflite-fp32", "tflite-int8"]),
        (3, ["tflite-int8"]),
    ]
    assert "On 2 of the bundle's images" in shown.summary
    assert "tflite-fp32 on 1, tflite-int8 on 2" in shown.summary
    # What failed or could not be run has no list.
    assert found(bundle, result("tflite-fp32", accuracy=None)) is None


def test_results_of_another_model_or_artifact_are_passed_over(bundle: Bundle) -> None:
    assert found(bundle, result("tflite-fp32", 1, model="other"), result("onnx-fp32", 1)) is None


def test_an_image_that_the_bundle_does_not_hold_is_one_sentence(bundle: Bundle) -> None:
    with pytest.raises(EdgeCifarError, match=f"refers to image {len(IMAGES)}, but .* has only {len(IMAGES)};"):
        found(bundle, result("tflite-fp32", len(IMAGES)))


def test_the_page_shows_them(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the page needs the report extra")
    pytest.importorskip("jinja2", reason="the page needs the report extra")
    verified = tmp_path / "verify.json"
    verified.write_text(json.dumps(verify_document(result("tflite-int8", 3))))
    assert main(["report", str(bundle.path), str(verified), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Predictions changed by conversion" in page
    assert "Keras, image 3" in page
    assert "<small>tflite-int8</small>" in page
