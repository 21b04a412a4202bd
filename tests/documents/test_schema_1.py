"""Documents as versions before schema 2 wrote them: each is read, and says what it said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_cifar.documents.accuracy import Accuracy
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.documents.schema import kind_of
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import BundleError
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.report.advice import Limits
from edge_cifar.report.sources import gather

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))

# Rows of benchmarks/results/cifar10.json and verify-resnet8.json, without the long lists.
BENCHED: dict[str, Any] = {
    "model": "mobilenetv2",
    "variant": "onnx-int8",
    "format": "onnx",
    "precision": "int8",
    "path": "models/mobilenetv2/export/onnx-int8.onnx",
    "sha256": "612ced4a26b3497235ab2cdc5512d0d72a0622407e254c78e9a1e7065e1333ad",
    "status": "ok",
    "reason": None,
    "runtime": "onnxruntime",
    "backend": "cpu",
    "threads": 1,
    "batch": 1,
    "input": {"layout": "nhwc", "low": 0.0, "high": 255.0},
    "size_bytes": 2500000,
    "gzip_bytes": 2100000,
    "data": {"name": "cifar10", "checksum": "85d212b4", "synthetic": False},
    "accuracy": {
        "top1": 0.75,
        "low": 0.4,
        "high": 0.93,
        "images": 8,
        "calibration_error": 0.01,
        "labels": ["cat", "dog"],
        "confusion": [[3, 1], [1, 3]],
        "correct": "7g==",
    },
    "agreement": {"top1": 1.0, "max_abs_diff": 1e-5, "mean_abs_diff": 7e-8, "images": 2000},
    "paired_drop": {"points": 0.5, "low": -0.19, "high": 1.2, "p_value": 0.2, "images": 2000},
    "latency_ms": {
        "median": 0.7,
        "low": 0.69,
        "high": 0.71,
        "p90": 0.8,
        "p99": 0.9,
        "mean": 0.72,
        "first": 2.0,
        "spread": 0.01,
        "windows": [0.7, 0.7],
        "inferences": 2600,
    },
    "ratio": {"to": "onnx-fp32", "value": 0.5, "low": 0.4, "high": 0.6, "pairs": 18},
    "import_ms": 26.0,
    "load_ms": 36.0,
    "load_warm_ms": 17.0,
    "peak_rss_bytes": 94289920,
    "memory_bytes": 42844160,
    "throughput_per_s": 1388.9,
    "multiply_adds": 55021952,
    "multiply_adds_per_s": 78602788571.4,
    "energy": None,
    "operators": None,
    "unprofiled": None,
    "caveat": None,
    "pareto": True,
    "notes": ["slower"],
}
BENCH: dict[str, Any] = {
    "schema": 1,
    "commit": "c82e6591a5b2d3f12d7899eb9b8843800f40337a",
    "command": "edge-cifar bench models/mobilenetv2",
    "measured_at": "2026-11-20T15:50:31+00:00",
    "versions": {"edge-cifar": "0.1.0"},
    "interrupted": False,
    "warnings": [],
    "machine": {"cpu_model": "AMD EPYC"},
    "protocol": {"seconds": 2.0, "profile": False},
    "results": [BENCHED],
}
VERIFIED: dict[str, Any] = {
    "model": "resnet8",
    "variant": "tflite-int8",
    "status": "pass",
    "method": "litert",
    "images": 2000,
    "data": {"name": "cifar10", "checksum": "85d212b4", "synthetic": False},
    "max_abs_diff": 0.46,
    "mean_abs_diff": 0.004,
    "top1_agreement": 0.98,
    "kl_divergence": 0.0047,
    "confident": {"margin": 0.2, "images": 1907, "agreement": 0.9968},
    "changed": [{"image": 36, "label": "truck", "reference": "automobile", "artifact": "truck"}],
    "accuracy": {"value": 0.88, "low": 0.86, "high": 0.9},
    "reference_accuracy": {"value": 0.89, "low": 0.8755, "high": 0.903},
    "calibration_error": {"value": 0.0137, "low": 0.0132, "high": 0.0304},
    "reference_calibration_error": {"value": 0.0136, "low": 0.0131, "high": 0.0303},
    "accuracy_drop": {"points": 1.0, "low": 0.2, "high": 1.9, "p_value": 0.02},
    "weights": {"compared_with": "tflite-fp32", "constants": 22, "proven": True},
    "tolerance": {"margin": 0.2, "confident_agreement": 0.97, "max_drop": 1.0},
    "reason": None,
    "seconds": 2.004,
}
UNANSWERED: dict[str, Any] = {
    **dict.fromkeys(VERIFIED),
    "model": "resnet8",
    "variant": "coreml-fp32",
    "status": "unverified",
    "method": "coreml",
    "images": 0,
    "tolerance": {"margin": 0.002, "confident_agreement": 1.0, "max_abs_diff": 0.001},
    "reason": "Core ML runs on macOS only, this is Linux",
    "seconds": 0.0,
}
VERIFY: dict[str, Any] = {
    "commit": "f04422f24785e625bcaa42368c2cd376979e1d8b",
    "command": "edge-cifar verify models/resnet8 --json",
    "machine": {"cpu_model": "AMD EPYC"},
    "results": [VERIFIED, UNANSWERED],
}


# models/resnet8/record.json, with the first of its eighty epochs and two of its classes.
RECORD: dict[str, Any] = {
    "schema": 1,
    "backbone": "resnet8",
    "recipe_name": "default",
    "recipe": {
        "phases": [{"name": "scratch", "epochs": 80, "trainable": "all"}],
        "image_size": 32,
        "validation_split": 0.05,
        "augmentation": {"flip": True, "translation": 0.125},
    },
    "weights": "none",
    "alpha": 1.0,
    "data": {
        "name": "cifar10",
        "checksum": "85d212b49fbcdd74bd5059429cc84be1bc8a65ab11159c9b87ba6abfa74d8e0f",
        "synthetic": False,
        "labels": ["airplane", "automobile"],
        "image_shape": [32, 32, 3],
        "limit": None,
        "train_images": 47500,
        "validation_images": 2500,
        "test_images": 10000,
    },
    "seed": 0,
    "deterministic": False,
    "mixed_precision": "auto",
    "device": "cpu",
    "policy": "float32",
    "image_size": 32,
    "parameters": 78666,
    "multiply_adds": 12501632,
    "versions": {"keras": "3.15.1"},
    "machine": {"cpu_model": "AMD EPYC"},
    "commit": "2ca64e1a2d306fa09276b346afceebc71e43961c",
    "command": "edge-cifar train resnet8",
    "history": [
        {
            "epoch": 1,
            "phase": "scratch",
            "phase_index": 0,
            "loss": 1.771828293800354,
            "accuracy": 0.3737894594669342,
            "val_loss": 2.1807891158163786,
            "val_accuracy": 0.3188,
            "learning_rate": 0.0,
            "seconds": 55.06,
        }
    ],
    "phases": [
        {
            "name": "scratch",
            "epochs": 80,
            "trainable_parameters": 78186,
            "seconds": 3189.815900146,
            "batch_norm_reestimated": False,
        }
    ],
    "seconds": 3189.815900146,
    "validation": {"accuracy": 0.8844, "images": 2500},
    "test": {
        "accuracy": 0.8822,
        "low": 0.8757343859400909,
        "high": 0.8883720857053637,
        "images": 10000,
        "precision": 0.8814686139819587,
        "recall": 0.8821999999999999,
        "f1": 0.8814648258591762,
        "calibration_error": 0.022489312079548837,
    },
}


def test_a_manifest_gets_the_one_spelling(tmp_path: Path) -> None:
    figures = {"top1": 0.88, "low": 0.86, "high": 0.9}
    drop = {"points": 0.4, "low": -0.1, "high": 0.9, "p_value": 0.1}
    parity = {"status": "checked", "runtime": "litert", "split": "validation", "images": 500}
    parity |= {"max_abs_diff": 0.2, "top1_agreement": 0.99, "accuracy": figures, "drop": drop}
    artifact = {"variant": "tflite-int8", "file": "tflite-int8.tflite", "sha256": "ab", "size_bytes": 1}
    rejected = {"variant": "onnx-int8", "failed": ["conversion"], "reason": "the converter crashed", "parity": None}
    manifest = {
        "schema": 1,
        "model": "resnet8",
        "test": RECORD["test"],
        "artifacts": [{**artifact, "labels": ["a", "b"], "parity": parity}],
        "rejected": [rejected],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    bundle = Bundle.open(tmp_path)
    (read,) = bundle.artifacts
    assert read.parity.accuracy == Accuracy(top1=0.88, low=0.86, high=0.9, images=500)
    assert read.parity.drop == PairedDrop(points=0.4, low=-0.1, high=0.9, p_value=0.1, images=500)
    bundle.write_manifest()
    written = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert (written["kind"], written["schema"], written["test"]["top1"]) == ("bundle", 2, 0.8822)
    assert written["artifacts"][0]["parity"]["accuracy"] == {**figures, "images": 500}
    assert written["artifacts"][0]["parity"]["drop"] == {**drop, "images": 500}
    assert written["rejected"] == [rejected]
    assert Bundle.open(tmp_path).artifacts == bundle.artifacts


def test_a_run_record_keeps_every_figure_and_gets_the_one_spelling() -> None:
    record = RunRecord.from_json(RECORD, "record.json")
    now = record.to_json()
    told = {**RECORD["test"], "top1": RECORD["test"]["accuracy"]}
    del told["accuracy"]
    assert now["test"] == told
    # That of validation had no interval, which follows from the images.
    low, high = (now["validation"].pop(name) for name in ("low", "high"))
    assert now["validation"] == {"top1": 0.8844, "images": 2500}
    assert (low, high) == (pytest.approx(0.8713, abs=1e-4), pytest.approx(0.8963, abs=1e-4))
    _keeps_the_rest(record, RECORD)
    assert record.provenance.command == RECORD["command"]
    assert (record.execution.device, record.execution.backend) == ("cpu", None)
    assert RunRecord.from_json(record.to_json(), "record.json") == record


def _keeps_the_rest(record: RunRecord, document: dict[str, Any]) -> None:
    now, same = record.to_json(), document.keys() - {"schema", "test", "validation"}
    assert {name: now[name] for name in same} == {name: document[name] for name in same}


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/record.json")), ids=lambda path: path.parent.name)
def test_every_record_in_the_repository_is_read(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    record = RunRecord.read(path)
    assert record.test.top1 == document["test"].get("top1", document["test"].get("accuracy"))
    assert [epoch.epoch for epoch in record.history] == [row["epoch"] for row in document["history"]]
    assert gather([path.parent], Limits()).runs[0].record == record
    _keeps_the_rest(record, document)


def test_a_bench_report_keeps_every_figure() -> None:
    report = BenchReport.from_json(BENCH, "bench.json")
    (row,) = report.results
    assert row.drop == PairedDrop(points=0.5, low=-0.19, high=1.2, p_value=0.2, images=2000)
    assert row.accuracy is not None
    assert (row.accuracy.top1, row.accuracy.images, row.accuracy.right.sum()) == (0.75, 8, 6)
    written = report.to_json()
    assert (written["kind"], written["schema"], written["commit"]) == ("bench", 2, BENCH["commit"])
    (now,) = written["results"]
    told = {**BENCHED, "drop": BENCHED["paired_drop"]}
    del told["paired_drop"]
    for name in ("throughput_per_s", "multiply_adds_per_s"):
        assert now.pop(name) == pytest.approx(told.pop(name), rel=1e-3)
    added = dict.fromkeys(("balanced", "majority", "images_sha256"))
    assert now["accuracy"] == {**added, **told.pop("accuracy")}
    assert {name: now[name] for name in told} == told
    assert BenchReport.from_json(written, "bench.json") == report


def test_a_verify_report_keeps_every_figure_and_gets_the_one_spelling() -> None:
    assert kind_of(VERIFY) == "verify"
    report = VerifyReport.from_json(VERIFY, "verify.json")
    answered, unanswered = report.to_json()["results"]
    assert answered["accuracy"] == {"top1": 0.88, "low": 0.86, "high": 0.9, "images": 2000}
    assert answered["reference_accuracy"] == {"top1": 0.89, "low": 0.8755, "high": 0.903, "images": 2000}
    assert answered["drop"] == {**VERIFIED["accuracy_drop"], "images": 2000}
    assert answered["weights"] == {**VERIFIED["weights"], "operations": None}
    same = VERIFIED.keys() - {"accuracy", "reference_accuracy", "accuracy_drop", "weights"}
    assert {name: answered[name] for name in same} == {name: VERIFIED[name] for name in same}
    assert (unanswered["status"], unanswered["accuracy"], unanswered["drop"]) == ("unverified", None, None)
    assert VerifyReport.from_json(report.to_json(), "verify.json") == report


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_in_the_repository_is_read(path: Path) -> None:
    """Reports by the page's own reader; what a script of ``benchmarks/`` wrote is none, and is refused as such."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if path.name.startswith("verify-") or "protocol" in document:
        found = gather([path], Limits())
        told = {(row["model"], row["variant"]) for row in document["results"]}
        assert {(row.model, row.variant) for row in found.measurements} == (told if "protocol" in document else set())
        return
    with pytest.raises(BundleError):
        gather([path], Limits())


@pytest.mark.parametrize("of", [BenchReport, VerifyReport])
@pytest.mark.parametrize("document", [BENCH, VERIFY], ids=["bench", "verify"])
def test_a_report_is_read_by_its_own_reader_alone(of: Any, document: dict[str, Any]) -> None:
    kind = {BenchReport: "bench", VerifyReport: "verify"}[of]
    owner = BenchReport if "schema" in document else VerifyReport
    now = owner.from_json(document, "it").to_json()
    if now["kind"] == kind:
        assert of.from_json(now, "it").to_json() == now
    else:
        with pytest.raises(BundleError, match=r"it is not a .* report of schema 1 or 2; create one with"):
            of.from_json(now, "it")


@pytest.mark.parametrize("schema", [None, 0, True, "1", 3])
def test_a_schema_that_is_not_known_is_refused(schema: Any) -> None:
    with pytest.raises(BundleError, match="schema"):
        BenchReport.from_json({**BENCH, "schema": schema}, "bench.json")
