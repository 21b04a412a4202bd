"""Keras itself beside its artifacts: measured when it is the baseline or is named."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from support.bench import QUICK

from edge_cifar.documents.run import Run
from edge_cifar.steps.bench import bench

BRISK = replace(QUICK, processes=1, windows=2, seconds=0.02, warm_up_seconds=0.05, reloads=0)


@pytest.fixture(scope="module")
def exported(tiny_run: Run, tiny_bundle: object, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny run with two of its artifacts."""
    from edge_cifar.documents.bundle import Bundle

    folder = tmp_path_factory.mktemp("keras") / "resnet8"
    shutil.copytree(tiny_run.path, folder)
    bundle = Bundle.open(folder / "export")
    kept = tuple(artifact for artifact in bundle.artifacts if str(artifact.variant) in ("tflite-fp32", "tflite-int8"))
    replace(bundle, artifacts=kept).write_manifest()
    return Run(folder)


def test_keras_is_the_baseline_when_asked_for(exported: Run) -> None:
    document = bench(exported, relative_to="keras", images=50, protocol=BRISK).to_json()
    keras, full, small = document["results"]
    assert (keras["variant"], keras["runtime"], keras["backend"]) == ("keras-fp32", "keras", "tensorflow")
    assert keras["status"] == "ok"
    assert keras["reason"] is None
    assert keras["agreement"]["max_abs_diff"] < 1e-4
    assert keras["ratio"]["value"] == 1.0
    assert full["ratio"]["to"] == small["ratio"]["to"] == "keras-fp32"
    assert full["ratio"]["value"] < 1.0
    assert all(row["multiply_adds"] > 1e6 for row in document["results"])
    assert all(row["caveat"].startswith("trained on") for row in document["results"])
    assert keras["accuracy"]["labels"] == full["accuracy"]["labels"]
    assert sum(map(sum, full["accuracy"]["confusion"])) == 50


def test_otherwise_it_is_left_out(exported: Run) -> None:
    document = bench(exported, images=10, protocol=BRISK).to_json()
    assert [row["variant"] for row in document["results"]] == ["tflite-fp32", "tflite-int8"]


def test_a_keras_file_can_be_named(exported: Run) -> None:
    (row,) = bench(exported.model_path, protocol=BRISK).to_json()["results"]
    assert (row["model"], row["variant"], row["status"]) == ("resnet8", "keras-fp32", "ok")


def test_where_keras_is_missing_its_row_says_so(exported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_cifar.runtimes import keras

    monkeypatch.setattr(keras, "unavailable", lambda backend=None: "keras is not installed")
    (row,) = bench(exported.model_path, protocol=BRISK).to_json()["results"]
    assert (row["status"], row["reason"]) == ("skipped", "keras is not installed")
