"""``export`` as a whole: the bundle, its refusals, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import quick_converter_for, stand_in_run

from edge_cifar import formats
from edge_cifar.cli.main import main
from edge_cifar.data.loading import load
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, CheckFailed, EdgeCifarError, RunError, UsageError
from edge_cifar.steps.export import export
from edge_cifar.storage import files

pytest.importorskip("tensorflow", reason="export needs TensorFlow")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stand_in_run(tmp_path_factory.mktemp("runs") / "stand-in")


@pytest.fixture(scope="module")
def bundle(run: Run) -> Bundle:
    return export(run, formats=["tflite"], calibration_images=20, reference_images=50, max_drop=100.0)


@pytest.fixture
def quick_converter(monkeypatch: pytest.MonkeyPatch) -> Any:
    return quick_converter_for(monkeypatch)


def test_the_bundle_holds_what_its_manifest_says(bundle: Bundle) -> None:
    assert {str(artifact.variant) for artifact in bundle.artifacts} == {"tflite-fp32", "tflite-fp16", "tflite-int8"}
    for artifact in bundle.artifacts:
        artifact.check()
        entry = artifact.to_json()
        assert (entry["parity"]["status"], entry["parity"]["images"]) == ("checked", 600)
        assert entry.keys() >= {"input", "output", "calibration", "parity", "tool_versions"}
        assert entry["tool_versions"]["tensorflow"]
        assert entry["reproducible"] is True
    assert {path.name for path in bundle.path.iterdir()} == {
        *(artifact.path.name for artifact in bundle.artifacts),
        *("manifest.json", "labels.txt", "README.md", "reference.npz", "activations.npz"),
    }
    assert (bundle.path / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1] == list(bundle.labels)
    assert bundle.to_json()["gate"] == {
        "max_drop_points": 100.0,
        "split": "validation",
        "images": 600,
        "gated": True,
    }


def test_the_reference_is_test_images_with_the_keras_models_answers(bundle: Bundle) -> None:
    reference = Reference.read(bundle.reference_path)
    assert len(reference.labels) == 50
    assert np.bincount(reference.labels).tolist() == [5] * 10
    # Any beginning of it is a mixture, not one class.
    assert len(set(reference.labels[:15].tolist())) > 5
    test = load("synthetic", limit=1200, seed=0).test
    pictures = {image.tobytes(): label for image, label in zip(test.images, test.labels, strict=True)}
    assert [pictures[image.tobytes()] for image in reference.images] == reference.labels.tolist()
    assert bundle.reference is not None
    assert bundle.reference.sha256 == files.sha256(bundle.reference_path)


def test_calibration_is_of_training_images_and_recorded(bundle: Bundle) -> None:
    by_variant = {str(artifact.variant): artifact for artifact in bundle.artifacts}
    calibration = by_variant["tflite-int8"].conversion.calibration
    assert calibration is not None
    assert (calibration.images, calibration.split, calibration.seed) == (20, "train", 0)
    assert len(calibration.indices_sha256) == 64
    assert by_variant["tflite-fp32"].conversion.calibration is None


def test_a_second_export_is_the_same_bundle(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    again = export(
        run, formats=["tflite"], calibration_images=20, reference_images=50, max_drop=100.0, out=tmp_path / "again"
    )
    said = again.to_json(), bundle.to_json()
    assert all(document.pop("peak_memory_bytes")["tflite"] > 1e8 for document in said)
    assert said[0] == said[1]


def test_rejected_variants_are_named_and_the_others_stay(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    with pytest.raises(CheckFailed) as caught:
        export(run, formats=["tflite"], precisions=["fp32", "int8", "int16x8"], out=out)
    assert "2 of 3 variants were rejected" in str(caught.value)
    assert "tflite-int8: drops 9 points" in str(caught.value)
    assert "Bessel" in str(caught.value)
    assert str(caught.value).endswith("or another --format or --precision for variants that failed to convert")
    kept = Bundle.open(out)
    assert [str(artifact.variant) for artifact in kept.artifacts] == ["tflite-fp32"]
    lossy, unwritten = kept.rejected
    assert (str(lossy.variant), str(unwritten.variant)) == ("tflite-int8", "tflite-int16x8")
    # What may help the one is no help to the other.
    assert str(lossy.way_out).startswith("try more --calibration-images")
    assert unwritten.way_out == "try another --format or --precision for variants that failed to convert"
    card = (out / "README.md").read_text()
    assert f"- `tflite-int8`: {lossy.reason}; {lossy.way_out}." in card
    assert f"- `tflite-int16x8`: {unwritten.reason}; {unwritten.way_out}." in card
    assert not (out / "tflite-int8.tflite").exists()


def test_an_interruption_leaves_nothing(
    run: Run, quick_converter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(quick_converter, "convert", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(run, out=tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_no_bundle_and_does_not_hinder_the_next(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from edge_cifar.export.accept import AcceptStage\n"
        "from edge_cifar.steps.export import export\n"
        "def run(*_):\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(600)\n"
        "AcceptStage.run = run\n"
        "export(Path(sys.argv[1]), formats=['tflite'], precisions=['fp32'], out=Path(sys.argv[2]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(run.path), str(out)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(EdgeCifarError, match="another process is writing"):
            export(run, formats=["tflite"], precisions=["fp32"], out=out)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not out.exists()
    assert list(tmp_path.iterdir())
    export(run, formats=["tflite"], precisions=["fp32"], out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration_images": 0}, "--calibration-images must be at least 1, got 0"),
        ({"max_drop": -1.0}, "--max-drop must be 0 or more percentage points, got -1"),
        ({"max_drop": float("nan")}, "--max-drop must be 0 or more percentage points, got nan"),
        ({"jobs": 0}, "--jobs must be at least 1, got 0"),
        ({"reference_images": 0}, "--reference-images must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export(tmp_path / "no run is looked for", **options)
    assert str(caught.value) == message


def test_a_damaged_model_is_one_sentence(run: Run, tmp_path: Path) -> None:
    damaged = Run(tmp_path / "damaged")
    damaged.path.mkdir()
    damaged.record_path.write_bytes(run.record_path.read_bytes())
    damaged.model_path.write_bytes(run.model_path.read_bytes()[:1000])
    with pytest.raises(BundleError, match="is incomplete; copy or download it again"):
        export(damaged, formats=["tflite"])
    assert not damaged.export_path.exists()


def test_a_record_without_figures_is_refused_before_anything_is_converted(run: Run, tmp_path: Path) -> None:
    broken = Run(tmp_path / "broken")
    broken.path.mkdir()
    record = json.loads(run.record_path.read_text(encoding="utf-8"))
    del record["test"]["low"]
    files.write_json(broken.record_path, record)
    broken.model_path.write_bytes(run.model_path.read_bytes())
    with pytest.raises(RunError, match=r"test\.low is None, not a finite number"):
        export(broken, formats=["tflite"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_one_sentence(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EdgeCifarError, match="cannot write"):
        export(run, out=tmp_path / "bundle")


def test_a_place_below_a_file_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EdgeCifarError, match="cannot write"):
        export(run, out=tmp_path / "file" / "bundle")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--format", "tflit"], 2, "unknown format 'tflit'; did you mean 'tflite'?"),
        (["--precision", "fp23"], 2, "unknown precision 'fp23'; did you mean 'fp32'?"),
        (["--format", "coreml", "--precision", "int9"], 2, "unknown precision 'int9'; did you mean 'int8'?"),
        (
            ["--format", "coreml", "--precision", "dynamic"],
            2,
            "coreml has no dynamic; choose from fp32, fp16, int8, w8, w6, w4",
        ),
        (["--reference-images", "some"], 2, "'some' is not an integer of at least 1"),
        (["no/such/run"], 1, "no run at no/such/run"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    arguments: list[str], status: int, message: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == status
    assert message in capsys.readouterr().err


def test_the_command_prints_the_manifest_as_json_and_fails_for_the_rejected(
    run: Run, quick_converter: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--format", "tflite", "--reference-images", "all", "--json", "--out", str(tmp_path / "bundle")]
    assert main(["export", str(run.path), *options]) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["bundle"] == str(tmp_path / "bundle")
    assert [entry["variant"] for entry in document["artifacts"]] == ["tflite-fp32", "tflite-fp16"]
    assert document["rejected"][0]["variant"] == "tflite-int8"
    assert document["reference"]["images"] == 1200
    assert "1 of 3 variants was rejected" in said.err
    # All were converted: nothing is said of those that were not.
    assert said.err.rstrip().endswith("a higher --max-drop")


def test_help_lists_every_cell_and_stays_light() -> None:
    script = (
        "import sys\n"
        "from edge_cifar.cli.main import main\n"
        "assert main(['export', '--help']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'coremltools', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    for name in formats.exported():
        assert f"{name} (default:" in answer.stdout
        for precision in formats.get(name).precisions:
            assert f"\n  {precision} " in answer.stdout
