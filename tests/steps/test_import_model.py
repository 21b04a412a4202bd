"""``export`` of a model made elsewhere: the run folder that it becomes, and every command on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.listener import Listener
from support.own_models import NAMES, brightness, folder_of, grey_images

import edge_cifar as ec
from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import CheckFailed, DataError, EdgeCifarError, RunError, UsageError
from edge_cifar.model_options import ModelOptions
from edge_cifar.run_data import load_run_data
from edge_cifar.steps.import_model import ImportRequest, as_run
from edge_cifar.storage import files

pytest.importorskip("tensorflow", reason="export needs TensorFlow")

QUICK: dict[str, Any] = {"formats": "tflite", "precisions": "fp32"}


def _imported(model: Any, data: Any, out: Path, *, progress: Listener | None = None, **told: Any) -> Run:
    request = ImportRequest(data=data, **told)
    run = as_run(model, request, out=out, overwrite=False, progress=progress or Listener())
    assert run is not None
    return run


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "levels.h5"
    brightness().save(path)
    return path


def test_a_file_and_a_folder_go_the_whole_way(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = grey_images(400)
    folder_of(images, labels, tmp_path / "levels", NAMES)
    monkeypatch.chdir(tmp_path)
    names = ",".join(NAMES)
    quick = ["--format", "tflite", "--precision", "fp32"]
    assert main(["export", str(model_file), "--data", "levels", "--labels", names, *quick]) == 0
    said = capsys.readouterr().err
    assert "input range: 0 to 1, RGB; clearly the best of the usual ones" in said
    assert "test accuracy 100.00%" in said
    record = Run(tmp_path / "runs" / "levels").record()
    assert record.imported is not None
    assert (record.imported.file, record.imported.sha256) == ("levels.h5", files.sha256(model_file))
    # In the model's own order, not that of the folders' names.
    assert record.data.labels == NAMES
    assert record.test.top1 == 1
    assert main(["verify", "runs/levels", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["status"], result["max_abs_diff"] < 1e-4) == ("pass", True)
    assert main(["bench", "runs/levels", "--seconds", "0.01", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["accuracy"]["top1"] == 1
    assert main(["bench", "runs/levels", "--seconds", "0.01", "--images", "all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["accuracy"]["images"] == 80
    assert main(["report"]) == 0
    page = Path("runs/levels/report.html").read_text(encoding="utf-8")
    assert "Imported from levels.h5 (0 to 1, RGB), 8 px." in page
    card = Path("runs/levels/export/README.md").read_text(encoding="utf-8")
    assert "Imported from levels.h5" in card
    assert "Input range: 0 to 1, RGB; clearly the best" in card
    capsys.readouterr()
    assert main(["predict", "runs/levels", "levels/white/4.png", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["results"]
    assert answers[0]["predictions"][0]["label"] == "white"


def test_a_model_and_arrays_in_memory_become_a_run_that_keeps_its_images(tmp_path: Path) -> None:
    images, labels = grey_images(300)
    bundle = ec.export(
        brightness(), data=(images, labels), labels=NAMES, input_range=(0, 1), out=tmp_path / "run", **QUICK
    )
    run = Run(tmp_path / "run")
    assert bundle.path == (run.path / "export").resolve()
    checked = bundle.artifacts[0].parity.accuracy
    assert checked is not None
    assert checked.top1 == 1
    again = load_run_data(run)
    assert (len(again.test), again.dataset.labels) == (60, NAMES)
    # Another command finds them in the run's folder, wherever that is carried.
    moved = run.path.rename(tmp_path / "elsewhere")
    ec.export(moved, overwrite=True, **QUICK)
    assert [result.status for result in ec.verify(moved)] == ["pass"]
    (row,) = ec.bench(moved, images="all", seconds=0.01).results
    assert row.accuracy is not None
    assert row.accuracy.images == 60


def test_images_of_a_named_set_are_taken_at_their_own_size(tmp_path: Path) -> None:
    heard = Listener()
    run = _imported(brightness(shape=(8, 8, 3)), _npz(tmp_path, size=(12, 10)), tmp_path / "run", progress=heard)
    record = run.record()
    assert (record.data.image_shape, record.image_size) == ((12, 10, 3), (8, 8))
    assert any("a resize was added: the images are 12×10, the model takes 8×8" in line for line in heard.said)


def _npz(folder: Path, size: tuple[int, int] = (8, 8), classes: int = 5) -> str:
    images, labels = grey_images(300, size)
    np.savez(folder / "images.npz", x=images, y=labels % classes)
    return str(folder / "images.npz")


def test_a_model_that_is_not_square_gets_a_folder_at_its_own_size(tmp_path: Path) -> None:
    images, labels = grey_images(200, (14, 14))
    folder = folder_of(images, labels, tmp_path / "levels", NAMES)
    run = _imported(brightness(shape=(6, 10, 3)), str(folder), tmp_path / "run", options=ModelOptions(labels=NAMES))
    record = run.record()
    assert (record.data.image_shape, record.image_size) == ((6, 10, 3), (6, 10))
    assert load_run_data(run).test.images.shape[1:] == (6, 10, 3)
    assert record.test.top1 == 1


def test_data_with_fewer_classes_than_the_model_count_by_their_names(tmp_path: Path) -> None:
    images, labels = grey_images(200)
    some = np.isin(labels, (1, 3))
    folder = folder_of(images[some], labels[some], tmp_path / "levels", NAMES)
    run = _imported(brightness(), str(folder), tmp_path / "run", options=ModelOptions(labels=NAMES))
    assert sorted(set(load_run_data(run).test.labels.tolist())) == [1, 3]
    assert run.record().test.top1 == 1


@pytest.mark.parametrize("beside", [False, True])
def test_names_beside_a_model_tell_the_order_of_its_classes(tmp_path: Path, beside: bool) -> None:
    images, labels = grey_images(200)
    folder_of(images, labels, tmp_path / "levels", NAMES)
    brightness().save(tmp_path / "levels.keras")
    if beside:
        (tmp_path / "labels.txt").write_text("\n".join(NAMES), encoding="utf-8")
    heard, told = Listener(), ModelOptions.of({"input_range": (0, 1)})
    run = _imported(tmp_path / "levels.keras", str(tmp_path / "levels"), tmp_path / "run", progress=heard, options=told)
    said = "\n".join(heard.said)
    # Without them the order is that of the folders' names: the alphabet's.
    assert run.record().data.labels == (NAMES if beside else tuple(sorted(NAMES)))
    assert ("class names: as" in said) == beside
    assert (f"tell the order with --labels {','.join(NAMES)}" in said) != beside


def test_numbers_of_classes_that_nobody_names_are_names(tmp_path: Path) -> None:
    run = _imported(brightness(), _npz(tmp_path, classes=4), tmp_path / "run")
    assert run.record().data.labels == tuple(f"class {number}" for number in range(5))


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        (("a", "b"), UsageError, "tells 5 classes apart, --labels names 2"),
        (("a", "b", "c", "d", "e"), DataError, "classes that the model does not: black, dark"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: Any, error: type[Exception], said: str) -> None:
    folder = folder_of(*grey_images(20), tmp_path / "levels", NAMES)
    with pytest.raises(error, match=said):
        _imported(brightness(), str(folder), tmp_path / "run", options=ModelOptions(labels=labels))


def test_a_folder_with_other_classes_than_the_model_needs_labels(tmp_path: Path) -> None:
    images, labels = grey_images(20)
    folder = folder_of(images, labels % 2, tmp_path / "levels", NAMES)
    with pytest.raises(DataError, match=r"tells 5 classes apart, .* has 2; name the model's classes with --labels"):
        _imported(brightness(), str(folder), tmp_path / "run")


def test_a_finished_run_is_not_lost_unless_the_user_says_so(tmp_path: Path) -> None:
    data = _npz(tmp_path)
    _imported(brightness(), data, tmp_path / "run")
    with pytest.raises(RunError, match="contains a finished run; replace it with --overwrite"):
        _imported(brightness(), data, tmp_path / "run")
    as_run(brightness(-1, 1), ImportRequest(data=data), out=tmp_path / "run", overwrite=True, progress=Listener())
    imported = Run(tmp_path / "run").record().imported
    assert imported is not None
    assert imported.input_range.startswith("-1 to 1")


def test_nothing_is_left_of_an_import_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeCifarError):
        _imported(brightness(), _npz(tmp_path), tmp_path / "run", options=ModelOptions(labels=("a", "b")))
    assert not (tmp_path / "run").exists()


def test_what_describes_a_model_means_nothing_for_a_run(tmp_path: Path) -> None:
    run = _imported(brightness(), _npz(tmp_path), tmp_path / "run")
    with pytest.raises(UsageError, match="only apply to a model made elsewhere"):
        ec.export(run, data="cifar10", **QUICK)
    # A run's own model file is the run.
    assert as_run(run.model_path, ImportRequest(), out=None, overwrite=False, progress=Listener()) is None


def test_what_retrains_a_network_costs_an_imported_model_that_variant_alone(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"1 of 2 variants .*int8-qat: its weights cannot be retrained"):
        ec.export(
            brightness(), data=_npz(tmp_path), out=tmp_path / "run", formats="tflite", precisions=["fp32", "int8-qat"]
        )
    assert [str(artifact.variant) for artifact in Bundle.open(tmp_path / "run" / "export").artifacts] == ["tflite-fp32"]


def test_a_model_needs_images(model_file: Path) -> None:
    with pytest.raises(UsageError, match="give them with --data FOLDER"):
        ec.export(model_file, **QUICK)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no/such.keras", "--data", "cifar10"],
        ["{model}", "--data", "no/such/folder"],
        ["{model}", "--data", "{empty}"],
        ["{model}", "--data", "{data}", "--labels", "a,b"],
        ["{model}", "--data", "{data}", "--custom", "nothing"],
        ["{model}", "--data", "{data}", "--input-range", "1"],
        ["{model}", "--data", "{data}", "--output", "boxes"],
    ],
)
def test_bad_input_is_one_sentence(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    known = {"model": str(model_file), "empty": str(tmp_path / "empty"), "data": _npz(tmp_path)}
    filled = [argument.format(**known) for argument in arguments]
    assert main(["export", *filled, "--out", str(tmp_path / "run")]) in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("edge-cifar: ")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_not_written_into(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.png").touch()
    request = ImportRequest(data=_npz(tmp_path), options=ModelOptions.of({"input_range": (0, 1)}))
    with pytest.raises(RunError, match="is not empty and is not a run; choose another directory with --out"):
        as_run(model_file, request, out=tmp_path / "pictures", overwrite=True, progress=Listener())


def test_a_misspelt_model_or_folder_is_named(model_file: Path, tmp_path: Path) -> None:
    wrong = model_file.with_name("levles.h5")
    with pytest.raises(EdgeCifarError, match=r"levles\.h5"):
        ec.export(wrong, data=_npz(tmp_path))
    with pytest.raises(UsageError, match=r"unknown data set 'nowhere'.*there is no folder of that name either"):
        ec.export(model_file, data="nowhere", out=tmp_path / "run")


def test_arrays_of_other_sizes_and_layouts_are_said(tmp_path: Path) -> None:
    images, labels = grey_images(100)
    heard = Listener()
    data = (images.transpose(0, 3, 1, 2).astype(np.int64), labels % 3)
    _imported(brightness(), data, tmp_path / "run", progress=heard, options=ModelOptions.of({"input_range": (0, 1)}))
    said = "\n".join(heard.said)
    assert "given as [N, channels, height, width]" in said
    assert "the labels use 3 of the 5 classes that brightness tells apart" in said


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_integers_are_raw_pixels_whatever_their_type(tmp_path: Path, kind: type) -> None:
    images, labels = grey_images(100)
    model = brightness()
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    with pytest.raises(EdgeCifarError, match="does not say which range of pixels it takes"):
        _imported(model, (images.astype(kind), labels), tmp_path / "run")


def test_a_python_program_is_told_how_it_gives_data() -> None:
    with pytest.raises(UsageError, match=r"give them as data=\(images, labels\)"):
        ec.export(brightness())


def test_a_diagnosis_that_cannot_be_made_imports_nothing(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = _npz(tmp_path)
    assert main(["export", str(model_file), "--data", data, "--diagnose", "--precision", "fp32"]) == 2
    assert "--diagnose only works on int8" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
