"""``export`` of an ONNX file made elsewhere: its other precisions, checked against the file; the other commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import converting_here
from support.own_models import NAMES, folder_of, grey_images
from support.pytorch_onnx import CLASSES, MEAN, SIDE, STD, answers, classifier, standardized

import edge_cifar as ec
from edge_cifar import conversion_cache, formats, model_files, packages
from edge_cifar.cli.main import main
from edge_cifar.converters import Calibration, Options
from edge_cifar.converters import onnx as converter
from edge_cifar.converters.onnx_start import OnnxStart
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import EdgeCifarError, ModelError, RunError, UsageError
from edge_cifar.evaluation import scores
from edge_cifar.export import pool, source_model
from edge_cifar.readers import onnx as reader
from edge_cifar.steps.diagnose import diagnose
from edge_cifar.storage import files

onnx = pytest.importorskip("onnx", reason="ONNX files are made with onnx")

IMAGES, TRUTH = grey_images(1500, (SIDE, SIDE))
TOLD: dict[str, Any] = {"mean": MEAN, "std": STD}
INT8 = formats.get("onnx").precisions["int8"]
STEM, DEPTHWISE, POINTWISE, HEAD = "/stem/Conv", "/depthwise/Conv", "/pointwise/Conv", "/head/Gemm"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("torch") / "net.onnx")


@pytest.fixture(scope="module")
def bundle(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return ec.export(
        file, data=(IMAGES, TRUTH), labels=NAMES, precisions="all", out=tmp_path_factory.mktemp("run"), **TOLD
    )


def test_every_precision_passes_its_check_against_the_file(bundle: Bundle, file: Path) -> None:
    assert [str(artifact.variant) for artifact in bundle.artifacts] == [
        "onnx-fp32",
        "onnx-fp16",
        "onnx-dynamic",
        "onnx-int8",
    ]
    images, truth = grey_images(300, (SIDE, SIDE), seed=7)
    expected = scores.softmax(answers(file, standardized(images)))
    assert (expected.argmax(axis=1) == truth).mean() > 0.95
    given = {one.variant.precision: model_files.load(one.path).predict(images) for one in bundle.artifacts}
    np.testing.assert_allclose(given["fp32"], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(given["fp16"], expected, rtol=0, atol=2e-2)
    for precision in ("dynamic", "int8"):
        assert (given[precision].argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95, precision
    for artifact in bundle.artifacts:
        spec = artifact.conversion.input
        assert spec is not None
        assert (spec.shape, spec.range, spec.type) == (("batch", SIDE, SIDE, 3), (0, 255), "float32")
        assert artifact.parity is not None
        assert artifact.parity.status == "checked"
        assert "tensorflow" not in artifact.tool_versions


def test_verify_proves_them_by_their_weights_ranges_and_layers(bundle: Bundle) -> None:
    outcomes = ec.verify(bundle.path, layers=True)
    assert {outcome.status for outcome in outcomes} == {"pass"}
    (int8,) = (outcome for outcome in outcomes if outcome.variant.precision == "int8")
    assert int8.weights is not None
    assert int8.weights.proven
    assert int8.ranges is not None
    assert int8.ranges.held_to_calibration > 5


def test_the_run_is_one_like_any_other(bundle: Bundle, file: Path) -> None:
    run = Run(bundle.path.parent)
    record = run.record()
    assert record.imported is not None
    assert (record.imported.file, record.imported.sha256) == ("net.onnx", files.sha256(file))
    assert record.imported.input_range == "ImageNet mean and standard deviation, RGB"
    assert (run.model_path.name, record.model_file) == ("model.onnx", "model.onnx")
    assert record.model_sha256 == bundle.source_sha256 == files.sha256(run.model_path)
    assert record.data.labels == NAMES
    assert record.test.top1 > 0.95
    card = (bundle.path / "README.md").read_text(encoding="utf-8")
    assert "Imported from net.onnx" in card
    assert "Keras" not in card


def test_no_product_of_the_integer_files_can_overflow(bundle: Bundle) -> None:
    for artifact in bundle.artifacts:
        assert reader.overflow(artifact.path) is None


def test_keras_and_tensorflow_are_not_needed(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Any:
        raise AssertionError("an ONNX file is exported without Keras")

    monkeypatch.setattr(packages, "require_keras", refused)
    monkeypatch.setattr(packages, "require_tensorflow", refused)
    monkeypatch.setattr(pool, "converting", converting_here)
    few = ec.export(file, data=(IMAGES[:300], TRUTH[:300]), precisions=["int8"], out=tmp_path / "run", **TOLD)
    assert [str(artifact.variant) for artifact in few.artifacts] == ["onnx-int8"]


def test_the_same_file_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    source = source_model.load(Run(bundle.path.parent).model_path)
    calibration = Calibration(images=IMAGES[:64], indices=np.arange(64), seed=0)
    written = []
    for number in range(2):
        path = tmp_path / f"{number}.onnx"
        converter.convert(source.native, INT8, labels=NAMES, calibration=calibration, metadata={}, path=path)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_biases_make_up_for_the_rounding_of_weights(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ec.export(classifier(tmp_path / "net.onnx"), data=(IMAGES[:300], TRUTH[:300]), precisions="fp32", out=run, **TOLD)
    start = OnnxStart(Run(run).model_path)
    # Of one colour, so that what a filter sees at any place has the mean of the whole.
    images = np.broadcast_to(np.random.default_rng(0).integers(0, 256, (40, 1, 1, 3), np.uint8), (40, SIDE, SIDE, 3))
    calibration = Calibration(images=images, indices=np.arange(40), seed=0)
    with conversion_cache.unchanged(start):
        shifts = start.shifts(calibration)
        path = tmp_path / "int8.onnx"
        converter.convert(start, INT8, labels=NAMES, calibration=calibration, metadata={}, path=path)
        model = onnx.load_from_string(start.content())
    assert list(shifts) == [STEM, DEPTHWISE, POINTWISE]
    exact = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    weights = {operation.name: operation.weights for operation in reader.network(path).operations}
    for name, shift in shifts.items():
        bias = exact[nodes[name].input[2]]
        given = weights[name]
        np.testing.assert_allclose(given["bias"].values, bias + shift, atol=2 * float(np.max(given["bias"].step)))
        assert np.abs(shift).max() > 0
    # A convolution of one place sees every pixel alike: what rounding takes from its mean is known.
    seen = _means(model, nodes[POINTWISE].input[0], images)
    lost = exact[nodes[POINTWISE].input[1]].reshape(16, 8) - weights[POINTWISE]["kernel"].values.reshape(16, 8)
    np.testing.assert_allclose(shifts[POINTWISE], lost @ seen, rtol=1e-3, atol=1e-6)


def _means(model: Any, value: str, images: Any) -> Any:
    import onnxruntime

    model.graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run([value], {"image": images.astype(np.float32)})[0].mean(axis=(0, 2, 3), dtype=np.float64)


def test_layers_are_kept_in_float_by_their_names(bundle: Bundle, tmp_path: Path) -> None:
    run = Run(bundle.path.parent)
    kept = ec.export(run, precisions="int8", keep_float=[STEM, HEAD], out=tmp_path / "kept")
    assert kept.artifacts[0].conversion.kept_float == (STEM, HEAD)
    operations = reader.network(kept.artifacts[0].path).operations
    steps = {one.name: one.weights["kernel"].step for one in operations if "kernel" in one.weights}
    assert {name for name, step in steps.items() if step is None} == {STEM, HEAD}
    with pytest.raises(RunError, match=r"--keep-float: .*'/stem/Con'.*/stem/Conv"):
        ec.export(run, precisions="int8", keep_float="/stem/Con", out=tmp_path / "wrong")


def test_diagnose_ranks_its_layers(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws the ranking")
    found = diagnose(Run(bundle.path.parent), out=tmp_path / "diagnosis")
    assert {one.layer: one.kind for one in found.layers["onnx"]} == {
        STEM: "Conv",
        DEPTHWISE: "Conv",
        POINTWISE: "Conv",
        HEAD: "Gemm",
    }


def test_only_one_layer_is_quantized_where_only_that_is_asked(bundle: Bundle, tmp_path: Path) -> None:
    source = source_model.load(Run(bundle.path.parent).model_path)
    calibration = Calibration(images=IMAGES[:64], indices=np.arange(64), seed=0)
    path = tmp_path / "one.onnx"
    options = Options(only=(HEAD,))
    converter.convert(
        source.native, INT8, labels=NAMES, calibration=calibration, metadata={}, path=path, options=options
    )
    kernels = {one.name: one.weights["kernel"] for one in reader.network(path).operations if "kernel" in one.weights}
    assert [name for name, kernel in kernels.items() if kernel.step is not None] == [HEAD]


def test_the_command_line_takes_a_folder_and_the_other_commands_take_the_run(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = grey_images(300, (SIDE, SIDE))
    folder_of(images, labels, tmp_path / "levels", NAMES)
    monkeypatch.chdir(tmp_path)
    told = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--labels", ",".join(NAMES)]
    assert main(["export", str(file), "--format", "onnx", "--precision", "int8", "--data", "levels", *told]) == 0
    assert "a softmax was added" in capsys.readouterr().err
    assert main(["bench", "runs/net", "--seconds", "0.01", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["accuracy"]["top1"] > 0.95
    assert main(["predict", "runs/net", "levels/white/4.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["predictions"][0]["label"] == "white"
    assert main(["report", "runs/net"]) == 0
    assert "Imported from net.onnx" in Path("runs/net/report.html").read_text(encoding="utf-8")
    assert main(["export", str(file), "--data", "levels"]) == 1
    assert "contains a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"formats": "tflite"}, UsageError, r"only exported to onnx, not to tflite; .* litert-torch .* coremltools"),
        ({"formats": ["onnx", "coreml"]}, UsageError, r"only exported to onnx, not to coreml"),
        ({"formats": "tflit"}, UsageError, r"tflite"),
        ({"precisions": "int8-qat"}, UsageError, r"int8-qat retrains the weights, which needs a Keras model"),
        ({"prune": 0.5}, UsageError, r"pruned50 retrains the weights"),
        ({"deployment_target": "iOS17"}, UsageError, r"--deployment-target applies only to coreml"),
        ({}, UsageError, r"labelled images; give them with --data FOLDER"),
    ],
    ids=["tflite", "coreml too", "misspelt", "qat", "pruned", "target", "no data"],
)
def test_what_cannot_be_made_of_an_onnx_file_is_refused_first(
    options: dict[str, Any], error: type[EdgeCifarError], said: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        ec.export(file, out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_what_is_refused_for_the_file_is_for_its_run(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only exported to onnx, not to tflite"):
        ec.export(Run(bundle.path.parent), formats="tflite", out=tmp_path / "elsewhere")


def test_a_bundles_file_is_quantized_already(bundle: Bundle, tmp_path: Path) -> None:
    int8 = bundle.path / "onnx-int8.onnx"
    with pytest.raises(ModelError, match=r"onnx-int8\.onnx is quantized already \(it contains DequantizeLinear\)"):
        ec.export(int8, data=(IMAGES, TRUTH), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_of_other_classes_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"tells {CLASSES} classes apart, --labels names 2"):
        ec.export(file, data=(IMAGES, TRUTH), labels=("a", "b"), out=tmp_path / "run", **TOLD)
