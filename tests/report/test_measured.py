"""What the page and the tables make of backends, batches, classes, operators and doubtful accuracies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import bench_document, benchmark, write

from edge_cifar.documents.ways import Ways
from edge_cifar.errors import EdgeCifarError
from edge_cifar.report import artifact_view, class_view, operators, tables
from edge_cifar.report.advice import Limits, advise
from edge_cifar.report.measurements import Measurement
from edge_cifar.report.parity import Parity
from edge_cifar.steps.report import report

LABELS = ["bird", "cat"]


def measurements(changes: Mapping[str, Mapping[str, Any]]) -> list[Measurement]:
    """ResNet8's rows of the sample, those named changed, by variant."""
    document = bench_document()
    document["results"] = [row for row in document["results"] if row["model"] == "resnet8"]
    for row in document["results"]:
        row.update(changes.get(row["variant"], {}))
    return list(benchmark(json.loads(json.dumps(document))).measurements)


def answered(*confusion: list[int]) -> dict[str, Any]:
    right, images = sum(line[place] for place, line in enumerate(confusion)), sum(map(sum, confusion))
    accuracy = {"top1": right / images, "low": 0.0, "high": 1.0, "images": images}
    return {"accuracy": {**accuracy, "labels": LABELS, "confusion": confusion}}


FULL = answered([90, 10], [20, 80])
SMALL = answered([60, 40], [19, 81])


def test_a_class_that_an_artifact_spoils_is_marked_and_chance_is_not() -> None:
    (table,) = class_view.by_class(measurements({"tflite-fp32": FULL, "tflite-int8": SMALL}))
    assert (table["baseline"], table["artifacts"]) == ("tflite-fp32", ["tflite-fp32", "tflite-int8"])
    bird, cat = table["lines"]
    assert bird["label"] == "bird"
    assert bird["cells"] == [
        {"text": "90.0", "change": "", "kind": "none"},
        {"text": "60.0", "change": "-30.0", "kind": "worse"},
    ]
    assert cat["cells"][1] == {"text": "81.0", "change": "+1.0", "kind": "none"}
    assert [cell["text"] for cell in table["confusions"][1]["lines"][0]["cells"]] == ["60.0", "40.0"]


def test_artifacts_without_a_confusion_matrix_have_no_table() -> None:
    assert class_view.by_class(measurements({})) == []


@pytest.mark.parametrize("confusion", [[[1, 2]], [[1, -2], [0, 1]], [[1, "2"], [0, 1]], [1, 2]])
def test_a_broken_confusion_matrix_is_named(confusion: Any) -> None:
    accuracy = {"top1": 0.5, "low": 0.4, "high": 0.6, "images": 10, "confusion": confusion}
    with pytest.raises(EdgeCifarError, match=r"results\[\d\].accuracy.confusion"):
        measurements({"tflite-fp32": {"accuracy": accuracy}})


OPERATORS = [
    {"name": "a", "type": "Conv", "device": "cpu", "milliseconds": 0.3, "share": 0.6},
    {"name": "b", "type": "Conv", "device": "gpu", "milliseconds": 0.1, "share": 0.2},
    {"name": "c", "type": "Softmax", "device": "cpu", "milliseconds": 0.1, "share": 0.2},
]


def test_operators_are_summed_by_type() -> None:
    rows = measurements({"onnx-fp32": {"operators": OPERATORS}, "tflite-fp32": {"unprofiled": "LiteRT tells nothing"}})
    (row,) = [row for row in rows if row.result.operators]
    conv, softmax = operators.by_type(row.result.operators)
    assert (conv.type, conv.count, conv.devices) == ("Conv", 2, ("cpu", "gpu"))
    assert conv.milliseconds == pytest.approx(0.4)
    assert conv.share == pytest.approx(0.8)
    assert softmax.type == "Softmax"
    view = artifact_view.profiles(rows)
    assert view is not None
    assert view["reasons"] == ["LiteRT tells nothing"]
    assert [part["share"] for part in view["bars"][0]["parts"]] == [0.8, 0.2]


def test_a_plan_without_times_is_shown_by_its_shares() -> None:
    planned = [{**operator, "milliseconds": None} for operator in OPERATORS]
    (row,) = [row for row in measurements({"coreml-fp16": {"operators": planned}}) if row.result.operators]
    costs = operators.by_type(row.result.operators)
    bar = operators.view("x", costs, operators.type_colours([costs]))
    assert bar["time"] is None
    assert bar["parts"][0]["text"].startswith("Conv (2): 80.0")


def test_nothing_profiled_is_no_section() -> None:
    assert artifact_view.profiles(measurements({})) is None


def test_rows_are_told_apart_by_what_differs_alone() -> None:
    way = {"backend": "xnnpack", "batch": 1}
    one, *_ = (row.result for row in measurements({"tflite-fp32": way}) if row.variant == "tflite-fp32")
    other, *_ = (row.result for row in measurements({"tflite-fp32": {**way, "backend": "builtin", "batch": 8}}))
    assert Ways([one]).words(one) == ""
    assert Ways([one, other]).words(other) == "builtin batch 8"


def test_an_accuracy_with_a_caveat_says_so_and_is_not_advised() -> None:
    caveat = "trained on 475 images only"
    every = {row.variant or "": {"caveat": caveat} for row in measurements({}) if row.variant != "onnx-int8"}
    rows = measurements(every)
    table = tables.markdown(rows)
    assert table.count(caveat) == 5
    (advice,) = advise([replace(row, parity=Parity(status="proven")) for row in rows], Limits())
    assert advice.chosen is not None
    assert advice.chosen.variant == "onnx-int8"


def test_a_batch_is_not_advised_for_an_image() -> None:
    rows = [row for row in measurements({"tflite-int8": {"batch": 8}}) if row.variant == "tflite-int8"]
    assert advise(rows, Limits()) == []


def test_the_page_holds_all_of_it(tmp_path: Path) -> None:
    document = bench_document()
    extra = {"tflite-fp32": FULL, "tflite-int8": {**SMALL, "caveat": "trained on 475 images only", "batch": 8}}
    extra["onnx-fp32"] = {"operators": OPERATORS, "energy": {"watts": 5.0}}
    for row in document["results"]:
        row.update(extra.get(row["variant"], {}))
        if row["variant"] == "onnx-fp32":
            row["latency_ms"] |= {"mean": 0.4}  # 5 W for 0.4 ms
    html = report(write(tmp_path / "bench.json", document), output=tmp_path / "page.html").read_text()
    for words in (
        "Accuracy by class",
        "-30.0",
        "Confusion matrices of resnet8",
        "Where the time goes",
        "on 475 images",
    ):
        assert words in html
    assert "batch size 8" in html
    assert "2.00 mJ/image" in html
