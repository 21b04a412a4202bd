"""Layers that 8 bits hurt: found by name, and left in floats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.export import LABELS, breaking_network, calibration, converting_here, stand_in_run

from edge_cifar.cli.main import main
from edge_cifar.converters import Calibration
from edge_cifar.data.loading import load
from edge_cifar.documents.run import Run
from edge_cifar.errors import CheckFailed, EdgeCifarError, RunError, UsageError
from edge_cifar.export import pool
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.export.plan import searchable, selective
from edge_cifar.export.sensitivity import fewest, rank
from edge_cifar.export.source_model import KerasModel
from edge_cifar.progress import SILENT
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.steps.diagnose import diagnose
from edge_cifar.steps.export import export
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")
FORMATS = ("tflite", "onnx")


@pytest.fixture(scope="module")
def model() -> Any:
    train = load("synthetic", limit=1200, seed=0).train
    return breaking_network(train.images[:600], train.labels[:600])


@pytest.fixture(scope="module")
def run(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stand_in_run(tmp_path_factory.mktemp("runs") / "breaking", model=model)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_layers_that_break_are_ranked_worst(format_: str, model: Any) -> None:
    pytest.importorskip("tf2onnx", reason="ONNX needs tf2onnx")
    images = load("synthetic", limit=1200, seed=0).test.images[:60]
    sample = Calibration(images=images, indices=calibration(60).indices, seed=0)
    loaded = LoadedModel(source=KerasModel(model), labels=LABELS, calibration=sample)
    ranked = rank(loaded, format_, images, keras_runtime.of_model(model).predict(images), SILENT)
    assert {noise.layer for noise in ranked} == {"first", "wild", "after", "last"}
    assert {noise.layer for noise in ranked[:2]} == {"wild", "after"}
    assert ranked[1].signal_to_noise_db + 6 < ranked[2].signal_to_noise_db
    assert {noise.kind for noise in ranked[:2]} == {"Conv2D"}


@pytest.mark.parametrize("format_", FORMATS)
def test_the_fewest_layers_that_meet_the_gate_stay_in_floats(
    format_: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tf2onnx", reason="ONNX needs tf2onnx")
    monkeypatch.setattr(pool, "converting", converting_here)
    options: dict[str, Any] = {"formats": [format_], "precisions": ["int8"], "calibration_images": 100}
    with pytest.raises(CheckFailed, match="--keep-float auto"):
        export(run, out=tmp_path / "broken", **options)
    mended = export(run, out=tmp_path / "mended", keep_float=["auto"], **options)
    (artifact,) = mended.artifacts
    assert set(artifact.conversion.kept_float) == {"wild", "after"}
    # The gate's own rule: on few validation images chance may take more than a point.
    assert artifact.parity
    assert artifact.parity.drop
    assert artifact.parity.drop.low <= 1
    named = export(run, out=tmp_path / "named", keep_float=artifact.conversion.kept_float, **options)
    assert named.artifacts[0].sha256 == artifact.sha256


def test_a_layer_that_is_not_there_is_refused_with_the_nearest(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="unknown layer 'wilt'; did you mean 'wild'"):
        export(run, formats=["tflite"], keep_float=["wilt"], out=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_no_variant_whose_layers_can_be_chosen_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keep-float applies only to onnx-int8, tflite-int8"):
        export(tmp_path, formats=["tflite"], precisions=["fp16"], keep_float=["wild"])


@pytest.mark.parametrize("needed", [*range(1, 8), None])
def test_as_few_are_kept_as_suffice(needed: int | None) -> None:
    layers = [f"layer {number}" for number in range(7)]
    kept = fewest(layers, lambda some: needed is not None and len(some) >= needed)
    assert kept == (None if needed is None else tuple(layers[:needed]))


def test_the_command_names_the_worst_layers_and_draws_them(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert main(["export", str(run.path), "--diagnose", "--format", "tflite", "--out", str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = [line for line in lines if len(line) == 3 and line[1] in ("Conv2D", "Dense")]
    assert {rows[0][0], rows[1][0]} == {"wild", "after"}
    assert [float(row[2]) for row in rows] == sorted(float(row[2]) for row in rows)
    document = json.loads((out / "diagnosis.json").read_text(encoding="utf-8"))
    assert len(document["layers"]["tflite"]) == 4
    assert document["images"] == 200
    assert (out / "diagnosis.png").read_bytes().startswith(b"\x89PNG")
    assert not run.export_path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--diagnose", "--format", "coreml"], "coreml"),
        (["--diagnose", "--precision", "fp16"], "--diagnose only works on int8"),
        (["--calibration-method", "entropie"], "did you mean 'entropy'"),
        (
            ["--calibration-method", "entropy", "--format", "tflite"],
            "tflite has no entropy calibration; choose from min",
        ),
        (["--keep-float", "auto,wild"], "takes layer names or auto"),
        (["--diagnose", "--calibration-method", "entropy", "--format", "tflite"], "tflite has no entropy calibration"),
        (["--diagnose", "--prune", "0.5"], "--diagnose works on plain int8"),
        (["--diagnose", "--keep-float", "wild"], "--diagnose works on plain int8"),
    ],
)
def test_what_cannot_be_is_refused_from_the_command_line_alone(
    arguments: list[str], message: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_diagnosis_that_cannot_be_written_is_refused_before_layers_are_ranked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "diagnosis.json").mkdir()
    with pytest.raises(EdgeCifarError, match="it is a folder"):
        diagnose(run, out=tmp_path)


def test_layers_of_pruned_weights_stay_in_floats_by_name_and_are_not_sought() -> None:
    pruned, trained, plain = (Variant("onnx", precision) for precision in ("int8-pruned50", "int8-qat", "int8"))
    assert [selective(variant) for variant in (pruned, trained, plain)] == [True, False, True]
    assert [searchable(variant) for variant in (pruned, trained, plain)] == [False, False, True]
