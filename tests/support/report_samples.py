"""Documents for the report's tests: two backbones in nine variants, with figures like those a laptop gives."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.report import figures
from edge_cifar.report.measurements import Benchmark, read_benchmark

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CHECKSUM = "5e" * 32

# variant -> (accuracy lost in points, times the fp32 latency, share of the fp32 size)
_VARIANTS: Mapping[str, tuple[float, float, float]] = {
    "tflite-fp32": (0.0, 1.0, 1.0),
    "tflite-fp16": (0.01, 1.02, 0.506),
    "tflite-int8": (0.24, 0.49, 0.307),
    "onnx-fp32": (0.0, 1.07, 0.99),
    "onnx-fp16": (0.0, 1.41, 0.5),
    "onnx-int8": (0.31, 0.62, 0.29),
    "coreml-fp32": (0.0, 0.0, 1.01),
    "coreml-fp16": (0.02, 0.0, 0.51),
    "coreml-w8": (0.05, 0.0, 0.27),
}
# model -> accuracy, fp32 latency in ms, fp32 size in bytes, parameters, multiply-adds
MODELS: Mapping[str, tuple[float, float, int, int, int]] = {
    "mobilenetv2": (0.9412, 0.664, 8_919_000, 2_270_794, 56_100_000),
    "resnet8": (0.8733, 0.127, 321_000, 78_666, 12_500_000),
}
MACHINE = {
    "cpu_model": "Intel(R) Xeon(R) Processor @ 2.90GHz",
    "architecture": "x86_64",
    "physical_cores": 1,
    "logical_cores": 2,
    "cpu_features": ["avx2", "avx512", "fma"],
    "memory_bytes": 25_276_510_208,
    "os": "Debian GNU/Linux 12 (bookworm)",
    "python": "3.11.7",
    "load_average": [0.11, 0.2, 0.3],
}


def bench_document(
    *, synthetic: bool = False, speed: float = 1.0, machine: Mapping[str, Any] = MACHINE
) -> dict[str, Any]:
    """What ``bench --json`` prints; ``speed`` multiplies the latencies."""
    data = {"name": "synthetic" if synthetic else "cifar10", "checksum": CHECKSUM, "synthetic": synthetic}
    return {
        "kind": "bench",
        "schema": 2,
        "commit": "0123abcd" * 5,
        "command": "edge-cifar bench runs/mobilenetv2 runs/resnet8",
        "measured_at": "2026-11-20T10:00:00+00:00",
        "versions": {"ai-edge-litert": "2.3.0", "onnxruntime": "1.31.1"},
        "interrupted": False,
        "warnings": [],
        "machine": dict(machine),
        "protocol": {"seconds": 2.0, "windows": 18, "threads": [1], "method": {"timed": "set the input, run, read"}},
        "results": [_row(model, variant, data, speed) for model in MODELS for variant in _VARIANTS],
    }


def _row(model: str, variant: str, data: Mapping[str, Any], speed: float) -> dict[str, Any]:
    accuracy, latency, size, *_ = MODELS[model]
    lost, times, share = _VARIANTS[variant]
    format_ = variant.split("-")[0]
    row: dict[str, Any] = {
        "model": model,
        "variant": variant,
        "path": f"runs/{model}/export/{variant}.{format_}",
        "sha256": f"{sum(map(ord, model + variant)):064x}",
        "status": "ok",
        "reason": None,
        "runtime": {"tflite": "litert", "onnx": "onnxruntime", "coreml": "coreml"}[format_],
        "threads": 1,
        "size_bytes": round(size * share),
        "data": dict(data),
        "accuracy": None,
        "agreement": None,
        "latency_ms": None,
        "load_ms": None,
        "peak_rss_bytes": None,
        "memory_bytes": None,
        "throughput_per_s": None,
        "pareto": False,
        "notes": [],
    }
    if format_ == "coreml":
        return row | {"status": "skipped", "reason": "Core ML runs on macOS only", "data": None, "runtime": None}
    right = accuracy - lost / 100
    half = 1.96 * math.sqrt(right * (1 - right) / 10_000)
    median = latency * times * speed
    return row | {
        "accuracy": {"top1": right, "low": right - half, "high": right + half, "images": 10_000},
        "agreement": {
            "top1": 1 - lost / 12,
            "max_abs_diff": 4e-6 if lost == 0 else 0.3 * lost,
            "mean_abs_diff": 1e-7 if lost == 0 else 0.01 * lost,
            "images": 2_000,
        },
        "drop": {"points": lost, "low": lost - 0.3, "high": lost + 0.3, "p_value": 0.2, "images": 2_000},
        "latency_ms": {
            "median": median,
            "low": 0.99 * median,
            "high": 1.01 * median,
            "p90": 1.04 * median,
            "p99": 1.3 * median,
            "mean": median,
            "first": 3 * median,
            "spread": 0.01,
            "windows": [median] * 18,
            "inferences": 3_000,
        },
        "load_ms": 2.0 + size * share / 3e6,
        "peak_rss_bytes": 60_000_000 + round(2.4 * size * share),
        "memory_bytes": 1_200_000 + round(2.4 * size * share),
        "throughput_per_s": 1000 / median,
        "pareto": variant in ("tflite-int8", "tflite-fp16") or (model, variant) == ("resnet8", "tflite-fp32"),
    }


def benchmark(document: Any, file: str = "bench.json") -> Benchmark:
    """A bench JSON as the page shows it."""
    return read_benchmark(BenchReport.from_json(document, file), file)


def verify_document(*rows: dict[str, Any], **told: Any) -> dict[str, Any]:
    """What ``verify --json`` prints; without rows of both models: Core ML unverified on Linux, the rest proven."""
    results = list(rows) or [verified_row(model, variant) for model in MODELS for variant in _VARIANTS]
    machine = dict(MACHINE)
    return {"kind": "verify", "schema": 2, "commit": "0123abcd" * 5, "machine": machine, **told, "results": results}


def verified_row(model: str, variant: str, **changes: Any) -> dict[str, Any]:
    """One result of ``verify``: a pass on 2,000 images, and Core ML unverified on Linux."""
    row = {
        "model": model,
        "variant": variant,
        "sha256": None,
        "status": "pass",
        "method": "litert",
        "images": 2000,
        "tolerance": {"margin": 0.2, "confident_agreement": 0.97},
        "reason": None,
        "seconds": 1.5,
    }
    if variant.startswith("coreml"):
        unverified = {"status": "unverified", "method": "coreml", "images": 0, "reason": "Core ML runs on macOS only"}
        return row | unverified | changes
    accuracy = {"top1": 0.9, "low": 0.886, "high": 0.912, "images": 2000}
    error = {"value": 0.02, "low": 0.01, "high": 0.03}
    return {
        **row,
        "max_abs_diff": 4e-6,
        "mean_abs_diff": 1e-7,
        "total_variation": None,
        "top1_agreement": 0.998,
        "kl_divergence": 1e-6,
        "confident": {"margin": 0.2, "images": 1900, "agreement": 1.0},
        "changed": [],
        "accuracy": accuracy,
        "reference_accuracy": accuracy,
        "calibration_error": error,
        "reference_calibration_error": error,
        "drop": {"points": 0.0, "low": -0.2, "high": 0.2, "p_value": 1.0, "images": 2000},
        **changes,
    }


def write_bench(path: Path, **options: Any) -> Path:
    """A bench JSON on disk."""
    return write(path, bench_document(**options))


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def record_document(model: str, *, synthetic: bool = False) -> dict[str, Any]:
    """What ``train`` writes as record.json: three epochs of the head, nine of everything."""
    accuracy, _, _, parameters, multiply_adds = MODELS[model]
    history = [_epoch(number, accuracy) for number in range(1, 13)]
    return {
        "kind": "run",
        "schema": 2,
        "backbone": model,
        "recipe_name": "default",
        "recipe": {
            "batch_size": 64,
            "image_size": 96,
            "validation_split": 0.1,
            "phases": [{"name": "head", "epochs": 3}],
        },
        "weights": "imagenet" if model == "mobilenetv2" else "none",
        "alpha": 1.0,
        "image_size": 96 if model == "mobilenetv2" else 32,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "seed": 0,
        "device": "cpu",
        "mixed_precision": "off",
        "data": {
            "name": "synthetic" if synthetic else "cifar10",
            "checksum": CHECKSUM,
            "synthetic": synthetic,
            "labels": LABELS,
            "image_shape": [32, 32, 3],
            "limit": None,
            "train_images": 45_000,
            "validation_images": 5_000,
            "test_images": 10_000,
        },
        "versions": {"keras": "3.15.1", "tensorflow": "2.21.0"},
        "machine": dict(MACHINE),
        "commit": "0123abcd" * 5,
        "command": f"edge-cifar train {model}",
        "history": history,
        "phases": [
            {
                "name": "head",
                "epochs": 3,
                "trainable_parameters": 12_810,
                "seconds": 180.0,
                "batch_norm_reestimated": None,
            },
            {
                "name": "fine-tune",
                "epochs": 9,
                "trainable_parameters": parameters,
                "seconds": 2_900.0,
                "batch_norm_reestimated": True,
            },
        ],
        "seconds": 3_080.0,
        "test": {
            "top1": accuracy,
            "low": accuracy - 0.005,
            "high": accuracy + 0.005,
            "images": 10_000,
            "precision": accuracy,
            "recall": accuracy,
            "f1": accuracy,
            "calibration_error": 0.021,
        },
        "validation": {"top1": accuracy + 0.002, "low": accuracy - 0.006, "high": accuracy + 0.01, "images": 5_000},
    }


def _epoch(number: int, accuracy: float) -> dict[str, Any]:
    reached = accuracy * (1 - 0.5 * math.exp(-number / 2.5))
    return {
        "epoch": number,
        "phase": "head" if number <= 3 else "fine-tune",
        "loss": 2.2 * math.exp(-number / 3) + 0.1,
        "accuracy": min(1.0, reached + 0.02),
        "val_loss": 2.2 * math.exp(-number / 3) + 0.2,
        "val_accuracy": reached,
        "learning_rate": 1e-3 if number <= 3 else 5e-4 * (1 + math.cos((number - 4) / 9 * math.pi)),
        "seconds": 250.0,
    }


def classification_document() -> dict[str, Any]:
    """What ``train`` writes as classification.json; cats and dogs are confused most, as ever."""
    generator = np.random.default_rng(0)
    confusion = generator.integers(0, 12, (10, 10))
    confusion[3, 5], confusion[5, 3], confusion[0, 1] = 71, 64, 0
    np.fill_diagonal(confusion, 0)
    np.fill_diagonal(confusion, 1000 - confusion.sum(axis=1))
    per_class = [
        {
            "label": label,
            "precision": float(confusion[number, number] / confusion[:, number].sum()),
            "recall": float(confusion[number, number] / 1000),
            "f1": 0.93,
            "images": 1000,
        }
        for number, label in enumerate(LABELS)
    ]
    return {"labels": LABELS, "per_class": per_class, "confusion": confusion.tolist()}


def write_run(folder: Path, model: str = "mobilenetv2", *, synthetic: bool = False) -> Path:
    """A run folder: record, class report, sheet of mistakes, manifest with parity, and bench.json."""
    write(folder / "record.json", record_document(model, synthetic=synthetic))
    write(folder / "classification.json", classification_document())
    write_mistakes(folder / "mistakes.png")
    bench = bench_document(synthetic=synthetic)
    bench["results"] = [row | {"model": folder.name} for row in bench["results"] if row["model"] == model]
    write(folder / "bench.json", bench)
    write(folder / "export" / "manifest.json", manifest_document(folder.name, bench["results"], synthetic))
    return folder


def write_mistakes(path: Path) -> None:
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    probabilities = generator.dirichlet(np.full(10, 0.3), 12).astype(np.float32)
    wrong = (probabilities.argmax(axis=1) + 1) % 10
    figures.mistakes(images, wrong.astype(np.int64), probabilities, LABELS, path)


def manifest_document(model: str, rows: list[dict[str, Any]], synthetic: bool) -> dict[str, Any]:
    """What ``export`` writes: Core ML unverified on Linux, the rest proven."""
    return {
        "schema": 1,
        "model": model,
        "data": {"name": "synthetic" if synthetic else "cifar10", "checksum": CHECKSUM, "synthetic": synthetic},
        "artifacts": [
            {
                "variant": row["variant"],
                "file": Path(row["path"]).name,
                "sha256": row["sha256"],
                "size_bytes": row["size_bytes"],
                "labels": LABELS,
                "parity": _parity(row["variant"]),
            }
            for row in rows
        ],
    }


def _parity(variant: str) -> dict[str, Any]:
    if variant.startswith("coreml"):
        return {"status": "unverified", "reason": "Core ML runs on macOS only", "method": "coreml", "images": 0}
    return {
        "status": "pass",
        "method": "litert",
        "images": 2000,
        "max_abs_diff": 4e-6,
        "top1_agreement": 0.998,
        "reason": None,
    }
