"""Variants with changed weights on their way through ``export`` and ``verify``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import converting_here

from edge_cifar.backbones import resnet8
from edge_cifar.cli.main import main
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import Outcome, Request
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import ConversionError, MissingPackage, UsageError
from edge_cifar.export import plan, pool
from edge_cifar.export.options import ExportOptions
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.progress import SILENT
from edge_cifar.steps.export import export
from edge_cifar.storage import files
from edge_cifar.variant import Variant

pytestmark = pytest.mark.skipif(
    retraining.missing() is not None, reason="training again needs tensorflow-model-optimization"
)


@pytest.fixture(scope="module")
def bundle(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One of each kind, trained again for a few steps in processes of their own, and converted in this one."""
    whole = resnet8.BACKBONE
    brief = replace(whole, qat=replace(whole.qat, epochs=1.0), sparsity=replace(whole.sparsity, epochs=1.0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "converting", converting_here)
        patched.setattr(resnet8, "BACKBONE", brief)
        return export(
            tiny_run,
            formats=["tflite", "onnx"],
            precisions=["fp32", "int8-qat", "fp32-pruned50", "int8-cluster32"],
            calibration_images=100,
            reference_images=200,
            max_drop=100.0,
            out=tmp_path_factory.mktemp("bundles") / "export",
        )


def entry(bundle: Bundle, variant: str) -> Any:
    return next(artifact for artifact in bundle.artifacts if str(artifact.variant) == variant)


def test_every_cell_is_written_and_verified(bundle: Bundle) -> None:
    assert [str(artifact.variant) for artifact in bundle.artifacts] == [
        f"{name}-{precision}"
        for name in ("tflite", "onnx")
        for precision in ("fp32", "int8-qat", "fp32-pruned50", "int8-cluster32")
    ]
    outcomes = verify_bundle(bundle)
    assert {str(outcome.variant): outcome.reason for outcome in outcomes if outcome.status != "pass"} == {}
    # Float weights that were pruned are held to what floats are held to, against the model that has them.
    bounds = {str(outcome.variant): outcome.tolerance.max_abs_diff for outcome in outcomes}
    assert bounds["onnx-fp32-pruned50"] == 1e-3


def test_the_manifest_tells_how_the_weights_were_trained(bundle: Bundle) -> None:
    assert entry(bundle, "tflite-fp32").retraining is None
    for variant in ("tflite-int8-qat", "onnx-fp32-pruned50"):
        told = entry(bundle, variant).to_json()["retraining"]
        assert told["history"][-1]["step"] == told["steps"]
        assert set(told["recipe"]) == {"epochs", "learning_rate", "batch_size"}


def test_zeros_pay_when_compressed(bundle: Bundle) -> None:
    plain, pruned = entry(bundle, "onnx-fp32"), entry(bundle, "onnx-fp32-pruned50")
    assert pruned.size_bytes == pytest.approx(plain.size_bytes, rel=0.01)
    assert pruned.gzip_bytes < 0.75 * plain.gzip_bytes


def test_zeros_travel_into_the_artifact(bundle: Bundle) -> None:
    import onnx

    graph = onnx.load(entry(bundle, "onnx-fp32-pruned50").path).graph
    constants = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    thinned = [array for array in constants if array.ndim in (2, 4)]
    assert len(thinned) == 10  # Nine convolutions and the dense layer of ResNet8.
    for array in thinned:
        assert np.mean(array == 0) == pytest.approx(0.5, abs=0.02)


def test_the_file_for_8_bits_holds_its_labels(bundle: Bundle) -> None:
    from edge_cifar.runtimes import litert

    trained = entry(bundle, "tflite-int8-qat")
    assert litert.load(trained.path).labels == trained.labels
    assert trained.conversion.input.scale == 1.0
    assert trained.conversion.calibration.bias_correction is False


# ---- what does not depend on the training


def chosen(formats: list[str], precisions: list[str], **compressions: Any) -> list[str]:
    options = ExportOptions(formats=tuple(formats), precisions=tuple(precisions), **compressions)
    return [str(variant) for variant in plan.choose(options, SILENT)]


def test_changes_are_added_to_what_is_chosen() -> None:
    assert chosen(["tflite"], ["int8", "int8-qat"], prune=(0.5,), cluster=(16,)) == [
        *("tflite-int8", "tflite-int8-qat", "tflite-int8-pruned50", "tflite-int8-cluster16"),
    ]
    assert chosen(["coreml"], ["w8-pruned50"]) == ["coreml-w8-pruned50"]
    assert plan.precision_of(Variant("onnx", "int8-qat")).name == "int8-qat"
    assert plan.precision_of(Variant("onnx", "int8-pruned50")).name == "int8"


@pytest.mark.parametrize(
    ("formats", "precision", "message"),
    [
        (["coreml"], "int8-qat", "coreml has no int8-qat"),
        (["tflite"], "int8-qat-pruned50", "unknown precision 'int8-qat-pruned50'"),
        (["tflite"], "int9-pruned50", "unknown precision 'int9-pruned50'"),
        (["tflite"], "w8-pruned50", "tflite has no w8-pruned50"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(formats: list[str], precision: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(formats, [precision])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune", "1.0"], "--prune takes a share from 0.01 to 0.99 in steps of 0.01, got 1"),
        (["--prune", "nan"], "--prune takes a share from 0.01 to 0.99 in steps of 0.01, got nan"),
        (["--prune", "0.123"], "--prune takes a share from 0.01 to 0.99 in steps of 0.01, got 0.123"),
        (["--cluster", "1"], "--cluster takes a number of values from 2 to 256, got 1"),
    ],
)
def test_numbers_out_of_range_are_refused(
    options: list[str], message: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *options]) == 2
    assert message in capsys.readouterr().err


def test_shares_are_named_by_their_percent() -> None:
    assert ExportOptions(prune=(0.5, 0.29), cluster=(16,)).compressions == ("pruned50", "pruned29", "cluster16")


def test_what_cannot_be_trained_here_is_refused_when_named_and_else_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retraining, "missing", lambda: MissingPackage("tf_keras", "convert"))
    with pytest.raises(MissingPackage, match="tf_keras is not installed"):
        chosen(["tflite"], ["int8-qat"])
    with pytest.raises(MissingPackage, match="tf_keras is not installed"):
        chosen(["tflite"], ["int8"], prune=(0.5,))
    assert "tflite-int8-qat" not in chosen(["tflite"], ["all"])


def test_a_training_that_fails_costs_its_own_variants_only(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(request: Request, **_: Any) -> Outcome:
        raise ConversionError("its training diverged at step 1 of 2; its weights have no use")

    monkeypatch.setattr(retraining, "retrain", fail)
    out = tmp_path / "bundle"
    options = ["--format", "tflite", "--precision", "fp32", "--precision", "int8-qat", "--out", str(out)]
    assert main(["export", str(tiny_run.path), *options, "--max-drop", "100"]) == 1
    assert "tflite-int8-qat: its training diverged at step 1 of 2" in capsys.readouterr().err
    document = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert [one["variant"] for one in document["artifacts"]] == ["tflite-fp32"]
    assert [one["variant"] for one in document["rejected"]] == ["tflite-int8-qat"]


def test_gzip_counts_a_folder_as_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    alone = files.gzip_bytes(tmp_path / "a")
    assert alone < 300
    (tmp_path / "b").write_bytes(b"x" * 100_000)
    assert alone < files.gzip_bytes(tmp_path) < 2 * alone
