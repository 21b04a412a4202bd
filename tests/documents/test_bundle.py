"""The manifest: what is read is written again as it was, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.errors import BundleError

PARITY: dict[str, Any] = {
    "status": "checked",
    "runtime": "onnxruntime",
    "split": "validation",
    "images": 600,
    "max_abs_diff": 0.2,
    "mean_abs_diff": 0.003,
    "top1_agreement": 0.99,
    "kl_divergence": 0.003,
    "accuracy": {"top1": 0.88, "low": 0.86, "high": 0.9, "images": 600},
    "drop": {"points": 0.5, "low": -0.1, "high": 0.9, "p_value": 0.2, "images": 600},
}
CALIBRATION: dict[str, Any] = {
    "images": 20,
    "split": "train",
    "seed": 0,
    "indices_sha256": "1e",
    "method": "min-max",
    "bias_correction": True,
}
RETRAINING: dict[str, Any] = {
    "recipe": {"epochs": 0.5, "learning_rate": 0.001, "batch_size": 8},
    "seed": 0,
    "steps": 2,
    "history": [{"step": 0, "val_accuracy": 0.5}, {"step": 2, "loss": 0.1, "val_accuracy": 0.6}],
    "seconds": 1.5,
}
MOST: dict[str, Any] = {
    "variant": "onnx-int8-qat",
    "file": "onnx-int8-qat.onnx",
    "sha256": "ab",
    "size_bytes": 12,
    "labels": ["a", "b"],
    "input": {"name": "image", "shape": ["batch", 32, 32, 3], "range": [0, 255], "type": "float32"},
    "output": {"name": "probabilities", "shape": [1, 2], "type": "uint8", "scale": 0.00390625, "zero_point": 0},
    "calibration": CALIBRATION,
    "kept_float": ["first"],
    "opset": 17,
    "calibrated_ranges": [[-1.5, 2.0], None],
    "retraining": RETRAINING,
    "gzip_bytes": 10,
    "reproducible": False,
    "not_reproducible_because": "its weights were retrained",
    "parity": PARITY,
    "tool_versions": {"keras": "3.15.1"},
    "ranges": [[-1.5, 2.0], [0.0, 6.0]],
}
LEAST: dict[str, Any] = {
    **{key: MOST[key] for key in ("variant", "file", "sha256", "size_bytes", "labels", "input", "output")},
    "variant": "coreml-fp32",
    "file": "coreml-fp32.mlpackage",
    "calibration": None,
    "deployment_target": "iOS16",
    "reproducible": True,
    "parity": {"status": "unverified", "reason": "Core ML runs on macOS only"},
}
DOCUMENT: dict[str, Any] = {
    "kind": "bundle",
    "schema": 2,
    "model": "resnet8",
    "backbone": "resnet8",
    "labels": ["a", "b"],
    "data": {
        "name": "cifar10",
        "checksum": "85",
        "synthetic": False,
        "labels": ["a", "b"],
        "image_shape": [32, 32, 3],
        "limit": None,
        "train_images": 47500,
        "validation_images": 2500,
        "test_images": 10000,
    },
    "test": {
        "top1": 0.88,
        "low": 0.87,
        "high": 0.89,
        "images": 10000,
        "precision": 0.88,
        "recall": 0.88,
        "f1": 0.88,
        "calibration_error": 0.02,
    },
    "multiply_adds": 12501632,
    "source": {"file": "model.keras", "sha256": "99"},
    "reference": {
        "file": "reference.npz",
        "sha256": "41",
        "images": 2000,
        "split": "test",
        "selection": "class-balanced, in random order",
        "seed": 0,
    },
    "activations": {"file": "activations.npz", "sha256": "db", "images": 4},
    "gate": {"max_drop_points": 1.0, "split": "validation", "images": 600, "gated": True},
    "rejected": [
        {"variant": "onnx-w3", "failed": ["conversion"], "reason": "it crashed", "parity": None, "way_out": "try"},
        {"variant": "onnx-int8", "failed": ["accuracy", "parity"], "reason": "drops", "parity": PARITY},
    ],
    "peak_memory_bytes": {"export": 1, "onnx": 2},
    "artifacts": [MOST, LEAST],
}


def test_every_value_of_a_manifest_is_kept_in_its_place(tmp_path: Path) -> None:
    bundle = Bundle.from_json(DOCUMENT, tmp_path)
    # As text, so that the order of the keys counts.
    assert json.dumps(bundle.to_json()) == json.dumps(DOCUMENT)
    bundle.write_manifest()
    assert Bundle.from_json(json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8")), tmp_path) == bundle


def test_what_export_wrote_is_written_again_to_the_byte(tiny_bundle: Bundle) -> None:
    written = (tiny_bundle.path / MANIFEST).read_text(encoding="utf-8")
    assert json.dumps(Bundle.open(tiny_bundle.path).to_json(), indent=2) + "\n" == written


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"artifacts": None}, "artifacts is None, not a list"),
        ({"model": "two\nlines"}, "model is .*, not printable"),
        ({"data": {"name": "cifar10", "image_shape": "32"}}, "data.image_shape is '32', not a list"),
        ({"rejected": [{"variant": "x-y", "failed": ["luck"], "reason": "no"}]}, r"rejected\[0\].failed is .*luck"),
        ({"artifacts": [{**MOST, "parity": {"status": "fine"}}]}, r"parity.status is 'fine', not checked"),
        ({"artifacts": [{**MOST, "file": "../x"}]}, "outside"),
    ],
)
def test_a_value_that_is_none_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=said):
        Bundle.from_json({**DOCUMENT, **changes}, tmp_path)
