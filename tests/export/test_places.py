"""Where ``export`` writes: what it replaces, and what it leaves alone."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.export import quick_converter_for, stand_in_run

from edge_cifar.converters.shared import tf_graph
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, CheckFailed, RunError
from edge_cifar.processes.output_capture import Chatter
from edge_cifar.steps.export import export

pytest.importorskip("tensorflow", reason="export needs TensorFlow")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stand_in_run(tmp_path_factory.mktemp("runs") / "stand-in")


@pytest.fixture
def quick_converter(monkeypatch: pytest.MonkeyPatch) -> Any:
    return quick_converter_for(monkeypatch)


def test_a_bundle_is_replaced_only_when_asked(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    export(run, formats=["tflite"], precisions=["fp32"], out=out)
    with pytest.raises(BundleError, match="--overwrite"):
        export(run, formats=["tflite"], precisions=["fp16"], out=out)
    assert (out / "tflite-fp32.tflite").exists()
    replaced = export(run, formats=["tflite"], precisions=["fp16"], out=out, overwrite=True)
    assert [str(artifact.variant) for artifact in replaced.artifacts] == ["tflite-fp16"]
    assert not (out / "tflite-fp32.tflite").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_folder_of_other_files_is_never_replaced(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError, match="not empty and is not a bundle"):
        export(run, out=tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_somebody_elses_manifest_is_never_replaced(
    run: Run, quick_converter: Any, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "My app", "icons": []}))
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(BundleError, match="not empty and is not a bundle"):
        export(run, formats="tflite", out=tmp_path, overwrite=True)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_what_could_not_be_made_does_not_replace_what_was(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    export(run, formats="tflite", precisions="fp32", out=out)
    with pytest.raises(CheckFailed, match="1 of 1 variants was rejected"):
        export(run, formats="tflite", precisions="int16x8", out=out, overwrite=True)
    assert (out / "tflite-fp32.tflite").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_link_is_followed(run: Run, quick_converter: Any, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    export(run, formats="tflite", precisions="fp32", out=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "manifest.json").exists()


def test_the_working_directory_is_not_pulled_away(run: Run, quick_converter: Any, in_folder: Path) -> None:
    with pytest.raises(BundleError, match="is the working directory and cannot be replaced; use --out"):
        export(run, formats="tflite", precisions="fp32", out=".")
    assert list(in_folder.iterdir()) == []


def test_a_mount_point_is_refused_before_anything_is_converted(
    run: Run, quick_converter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    with pytest.raises(BundleError, match="is a mount point"):
        export(run, formats="tflite", precisions="fp32", out=tmp_path)


def test_a_full_disk_is_not_the_models_fault() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/scratch/weights.bin")
    error = tf_graph.failed("onnx", "fp32", full, Chatter(), model=None)
    assert str(error) == ("no space left on the disk of /scratch/weights.bin; free some, or choose another location")


@pytest.mark.parametrize("field", ["parameters", "image_size", "test/f1", "test/calibration_error"])
def test_a_record_that_lacks_what_the_card_tells_is_refused_at_once(field: str, run: Run, tmp_path: Path) -> None:
    broken = Run(Path(shutil.copytree(run.path, tmp_path / "broken")))
    record = run.record().to_json()
    *above, key = field.split("/")
    del (record[above[0]] if above else record)[key]
    broken.record_path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=rf"{field.replace('/', '.')} is None, not"):
        export(broken, formats="tflite")


def test_a_record_of_an_unknown_backbone_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    broken = Run(Path(shutil.copytree(run.path, tmp_path / "broken")))
    broken.record_path.write_text(json.dumps({**run.record().to_json(), "backbone": "resnet9"}))
    with pytest.raises(RunError, match="names an unknown backbone, 'resnet9'"):
        export(broken, formats="tflite")
