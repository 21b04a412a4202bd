"""``verify --layers``: every artifact followed layer by layer, told in the table, the JSON and a picture."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import mutations_onnx
from support.stand_in_litert import bundle_of, install

import edge_cifar as ec
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle, StoredFile
from edge_cifar.documents.run import Run
from edge_cifar.documents.verification import Verification
from edge_cifar.storage import files


@pytest.fixture(scope="module")
def followed(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verification]:
    """A copy of the tiny bundle, whose second convolution in ONNX has lost its bias; by variant."""
    pytest.importorskip("coremltools", reason="the bundle holds Core ML packages")
    folder = tmp_path_factory.mktemp("followed") / "export"
    shutil.copytree(tiny_bundle.path, folder)
    copied = Bundle.open(folder)
    broken = {"onnx-fp32": mutations_onnx._conv(3, 2, lambda bias: bias + np.float32(3))}
    signed = []
    for artifact in copied.artifacts:
        if str(artifact.variant) in broken:
            mutations_onnx.apply(broken[str(artifact.variant)], artifact.path)
        signed.append(replace(artifact, sha256=files.sha256(artifact.path), size_bytes=files.size_bytes(artifact.path)))
    replace(copied, artifacts=tuple(signed)).write_manifest()
    outcomes = ec.verify(folder, images=50, layers=True)
    return {str(outcome.variant): outcome for outcome in outcomes}


@pytest.mark.parametrize("variant", ["tflite-fp32", "tflite-fp16", "coreml-fp32", "coreml-fp16"])
def test_a_sound_float_artifact_stays_with_the_model_to_the_last_layer(
    followed: dict[str, Verification], variant: str
) -> None:
    outcome = followed[variant]
    assert (outcome.status, outcome.layers.refusal, outcome.layers.sentence()) == ("pass", None, None)
    last = outcome.layers.layers[-1]
    assert (last.name, last.state) == ("head_probabilities", "same")
    errors = [layer.error for layer in outcome.layers.layers if layer.error is not None]
    assert len(errors) >= 14
    assert max(errors) < (1e-4 if variant.endswith("fp32") else 2e-2)


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8", "coreml-w8"])
def test_a_quantized_artifact_is_followed_in_real_numbers(followed: dict[str, Verification], variant: str) -> None:
    layers = followed[variant].layers.layers
    errors = [layer.error for layer in layers if layer.error is not None]
    assert len(errors) >= 14
    assert 1e-3 < max(errors) < 0.5
    assert layers[-1].state == "same"


def test_the_layers_that_tflite_merges_are_those_before_an_activation(followed: dict[str, Verification]) -> None:
    merged = {layer.name for layer in followed["tflite-fp32"].layers.layers if layer.state == "merged"}
    assert merged == {"stem_bn", "stack1_bn1", "stack1_add", "stack2_bn1", "stack2_add", "stack3_bn1", "stack3_add"}


def test_a_broken_artifact_is_told_where_it_parts(followed: dict[str, Verification]) -> None:
    outcome = followed["onnx-fp32"]
    assert outcome.status == "fail"
    first = outcome.layers.first_apart
    names = [layer.name for layer in outcome.layers.layers]
    assert first.name == "stack2_bn1"
    assert all(layer.state != "apart" for layer in outcome.layers.layers[: names.index("stack2_bn1")])
    assert "'stack2_bn1' (BatchNormalization)" in str(outcome.reason)


def test_table_json_and_picture(tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs Matplotlib")
    few = replace(tiny_bundle, artifacts=tuple(one for one in tiny_bundle.artifacts if one.variant.format == "tflite"))
    folder = shutil.copytree(tiny_bundle.path, tmp_path / "export")
    replace(few, path=folder).write_manifest()
    picture = tmp_path / "drift.png"
    assert main(["verify", str(folder), "--images", "20", "--plot", str(picture)]) == 0
    table = capsys.readouterr().out
    assert "error of each layer on 4 images" in table
    assert ["stem_bn", "–", "–", "–"] in [line.split() for line in table.splitlines()]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["verify", str(folder), "--images", "20", "--layers", "--json"]) == 0
    for result in json.loads(capsys.readouterr().out)["results"]:
        assert result["layers"]["first_apart"] is None
        assert result["layers"]["reason"] is None
        assert {"layer", "kind", "state", "value", "error", "max_abs_diff"} == set(result["layers"]["layers"][0])
    assert main(["verify", str(folder), "--images", "20", "--json"]) == 0
    assert all("layers" not in result for result in json.loads(capsys.readouterr().out)["results"])


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-fp32", "coreml-fp16"])
def test_a_device_needs_neither_tensorflow_nor_what_wrote_the_file(tiny_bundle: Bundle, variant: str) -> None:
    """In a process of its own: what this one has imported says nothing."""
    (artifact,) = [one for one in tiny_bundle.artifacts if str(one.variant) == variant]
    request = {
        "do": "layers",
        "format": artifact.variant.format,
        "artifact": str(artifact.path),
        "reference": str(tiny_bundle.reference_path),
        "activations": str(tiny_bundle.activations_path),
    }
    script = (
        "import json, sys; from edge_cifar.parity import worker\n"
        "worker.handle(json.loads(sys.argv[1]), lambda answer: print(json.dumps(answer)))\n"
        "assert not {'tensorflow', 'keras', 'coremltools', 'onnx'} & set(sys.modules), sys.modules.keys()"
    )
    command = [sys.executable, "-c", script, json.dumps(request)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert len(json.loads(done.stdout)["matches"]) >= 14


def test_a_run_keeps_the_picture(tiny_run: Run, tiny_bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs Matplotlib")
    run = shutil.copytree(tiny_run.path, tmp_path / "run")
    bundle = Bundle.open(run / "export")
    replace(bundle, artifacts=bundle.artifacts[-1:]).write_manifest()
    (outcome,) = ec.verify(run, images=10, layers=True)
    assert outcome.layers is not None
    assert (run / "drift.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "verify.json").read_text())["results"][0]["layers"]["images"] == 4


def test_a_bundle_without_activations_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, monkeypatch)
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    assert main(["verify", str(bundle.path), "--layers"]) == 1
    error = capsys.readouterr().err
    assert "no activations file at" in error
    assert "export again" in error
    bundle.activations_path.write_bytes(b"something")
    assert main(["verify", str(bundle.path), "--layers"]) == 1
    assert "damaged" in capsys.readouterr().err


def test_activations_that_the_manifest_does_not_list_are_refused(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_bundle.path, tmp_path / "export")
    other, artifacts = StoredFile(sha256="0" * 64), tiny_bundle.artifacts[-1:]
    replace(tiny_bundle, path=folder, artifacts=artifacts, activations=other).write_manifest()
    assert main(["verify", str(folder), "--layers", "--images", "10"]) == 1
    assert "not the activations file in the manifest" in capsys.readouterr().err
