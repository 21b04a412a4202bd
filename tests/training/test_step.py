"""The ``train`` step: what it leaves behind, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_cifar.backbones import Model
from edge_cifar.documents.run import Run, newest
from edge_cifar.errors import EdgeCifarError, RunError, TrainingError, UsageError
from edge_cifar.run_data import load_run_data
from edge_cifar.steps.train import train
from edge_cifar.storage import exclusion

keras = pytest.importorskip("keras", reason="training needs Keras")


def test_a_run_holds_every_file_that_is_promised(tiny_run: Run) -> None:
    promised = {"model.keras", "record.json", "history.csv", "classification.json", "predictions.npz"}
    pictures = {"curves.png", "confusion.png", "mistakes.png"}
    written = {path.name for path in tiny_run.path.iterdir()}
    assert promised | pictures <= written
    # The shared run may have been exported and verified meanwhile; of its training nothing else is left.
    assert written - promised - pictures <= {"export", "verify.json", "bench.json", "report.html"}
    assert all((tiny_run.path / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_the_record_tells_what_was_trained_on_what_and_how_well(tiny_run: Run) -> None:
    record = tiny_run.record().to_json()
    assert record["backbone"] == "resnet8"
    assert record["parameters"] == 78_666
    assert record["data"]["synthetic"] is True
    assert record["data"]["train_images"] + record["data"]["validation_images"] == 1500
    assert [entry["epoch"] for entry in record["history"]] == [1, 2, 3, 4, 5, 6]
    assert record["phases"][0]["name"] == "scratch"
    assert 0 <= record["test"]["low"] <= record["test"]["top1"] <= record["test"]["high"] <= 1
    rows = list(csv.DictReader((tiny_run.path / "history.csv").read_text().splitlines()))
    assert [float(row["val_loss"]) for row in rows] == [entry["val_loss"] for entry in record["history"]]
    confusion = np.array(json.loads((tiny_run.path / "classification.json").read_text())["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(record["test"]["top1"])


def test_the_saved_model_scores_what_the_record_says(tiny_run: Run) -> None:
    model = keras.saving.load_model(tiny_run.model_path, compile=False)
    assert not model.compiled
    data = load_run_data(tiny_run)
    predicted = model.predict(data.test.images, verbose=0).argmax(1)
    assert (predicted == data.test.labels).mean() == pytest.approx(tiny_run.record().to_json()["test"]["top1"])
    predicted = model.predict(data.validation.images, verbose=0).argmax(1)
    assert (predicted == data.validation.labels).mean() == pytest.approx(tiny_run.record().validation.top1)


def test_a_finished_run_is_not_trained_over_by_accident(tiny_run: Run) -> None:
    with pytest.raises(RunError, match="--overwrite"):
        train("resnet8", data="synthetic", out=tiny_run.path)
    with pytest.raises(RunError, match="nothing to resume"):
        train("resnet8", data="synthetic", out=tiny_run.path, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet9"}, "did you mean 'resnet8'"),
        ({"data": "synthetik"}, "did you mean 'synthetic'"),
        ({"recipe": "fast"}, "unknown recipe"),
        ({"alpha": 3.0}, "supports --alpha"),
        ({"mixed_precision": "float8"}, "unknown mixed precision"),
        ({"device": "cuda"}, "unknown device"),
        ({"limit": 0}, "at least 1 image"),
        ({"seed": 2**32}, "the seed must be between 0 and 4294967295"),
        ({"resume": True, "overwrite": True}, "use only one of them"),
    ],
)
def test_nonsense_is_refused_before_anything_is_done(options: dict[str, object], message: str, in_folder: Path) -> None:
    with pytest.raises(UsageError, match=message):
        train(**{"backbone": "resnet8", "data": "synthetic", **options})  # type: ignore[arg-type]
    assert list(in_folder.iterdir()) == []


def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    from edge_cifar.training import backend

    if backend._GPUS[keras.backend.backend()]():
        pytest.skip("this machine has a GPU")
    with pytest.raises(TrainingError, match="found no GPU"):
        train("resnet8", data="synthetic", limit=100, out=tmp_path / "run", device="gpu")


def test_a_loss_that_is_no_number_stops_says_where_and_keeps_the_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar.training import phases
    from edge_cifar.training.checkpoint import State

    # Two steps an epoch: the first epoch trains, the second bursts.
    bursting = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1e-3, 1e30])
    monkeypatch.setattr(phases, "optimizer", lambda *_: keras.optimizers.SGD(bursting))
    with pytest.raises(TrainingError) as caught:
        train("resnet8", data="synthetic", limit=200, epochs=(3,), out=tmp_path / "run")
    assert str(caught.value) == (
        "the loss became NaN or infinite in epoch 2 of phase 'scratch'; the checkpoint has the best weights so "
        "far; try a lower --learning-rate, or --mixed-precision off"
    )
    assert not Run(tmp_path / "run").finished
    state = State.read(Run(tmp_path / "run").checkpoint_path)
    assert len(state.history) == 1
    assert state.best
    assert all(np.isfinite(weights).all() for weights in state.best)


def test_a_validation_loss_that_is_no_number_stops_before_its_weights_count_as_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar.training import loop
    from edge_cifar.training.checkpoint import State

    monkeypatch.setattr(loop, "predict", lambda model, images: np.full((len(images), 10), np.nan, np.float32))
    with pytest.raises(TrainingError, match="the loss became NaN or infinite in epoch 1 of phase 'scratch'; try"):
        train("resnet8", data="synthetic", limit=100, epochs=1, out=tmp_path / "run")
    assert State.read(Run(tmp_path / "run").checkpoint_path).best == []


def test_a_model_that_answers_with_no_numbers_replaces_nothing(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar.training import half_precision

    run = Run(shutil.copytree(tiny_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("export")))
    before = run.record_path.read_bytes()

    def break_weights(model: Model) -> None:
        model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])

    monkeypatch.setattr(half_precision, "settle", break_weights)
    with pytest.raises(TrainingError, match="outputs NaN or infinity"):
        train("resnet8", data="synthetic", limit=100, epochs=1, out=run.path, overwrite=True)
    assert run.record_path.read_bytes() == before
    assert run.model_path.read_bytes() == tiny_run.model_path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [{"unfreeze": "stackk3"}, {"image_size": 1}, {"weights": "nowhere.h5"}, {"data": "nowhere/photos"}],
    ids=str,
)
def test_a_request_that_is_refused_costs_no_unfinished_run(options: dict[str, Any], tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.checkpoint_path.mkdir(parents=True)
    (run.checkpoint_path / "state.npz").write_bytes(b"hours of training")
    with pytest.raises(EdgeCifarError):
        train(
            "mobilenet", out=run.path, overwrite=True, **{"weights": "none", "data": "synthetic", "limit": 50} | options
        )
    assert (run.checkpoint_path / "state.npz").read_bytes() == b"hours of training"


def test_two_trainings_in_one_folder_are_kept_apart(tmp_path: Path) -> None:
    with (
        exclusion.training(tmp_path / "run"),
        pytest.raises(EdgeCifarError, match="another process is writing"),
    ):
        train("resnet8", data="synthetic", limit=50, epochs=1, out=tmp_path / "run")


def test_what_a_killed_training_half_wrote_is_cleared_away(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    left = run.checkpoint_path / ".state.npz.abcd1234.partial"
    left.mkdir(parents=True)
    with pytest.raises(RunError, match="nothing to resume"):
        train("resnet8", data="synthetic", limit=50, epochs=1, out=run.path, resume=True)
    assert not left.exists()


def test_the_record_of_somebody_elses_program_holds_no_command_of_ours(tiny_run: Run) -> None:
    assert tiny_run.record().to_json()["command"] is None


def test_a_run_is_resumed_only_with_the_options_it_was_started_with(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    options = {"data": "synthetic", "limit": 100, "epochs": (2,), "out": run.path}

    class StopAfterOneEpoch:
        from edge_cifar.progress import SILENT

        bar = staticmethod(SILENT.bar)

        def say(self, text: str) -> None:
            if "validation" in text:
                self.epochs = getattr(self, "epochs", 0) + 1
            if getattr(self, "epochs", 0) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("resnet8", **options, progress=StopAfterOneEpoch())  # type: ignore[arg-type]
    assert not run.finished
    with pytest.raises(RunError, match="not finished; continue it with --resume"):
        Run.open(run.path)
    with pytest.raises(RunError, match="unfinished run"):
        train("resnet8", **options)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="different options"):
        train("resnet8", **{**options, "batch_size": 7}, resume=True)  # type: ignore[arg-type]
    two_classes = tmp_path / "pictures"
    for name in ("red", "violet"):
        (two_classes / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (32, 32), name).save(two_classes / name / f"{number}.png")
    with pytest.raises(RunError, match=r"different options .*data.*; resume with the same options"):
        train("resnet8", **{**options, "data": str(two_classes)}, resume=True)  # type: ignore[arg-type]
    assert train("resnet8", **options, resume=True).finished  # type: ignore[arg-type]
    assert not run.checkpoint_path.exists()


def test_weights_of_another_architecture_are_refused(tiny_run: Run, tmp_path: Path) -> None:
    model = keras.saving.load_model(tiny_run.model_path, compile=False)
    weights = tmp_path / "other.weights.h5"
    model.save_weights(weights)
    with pytest.raises(TrainingError, match="do not fit"):
        train("mobilenetv2", data="synthetic", limit=100, weights=str(weights), out=tmp_path / "run")
    with pytest.raises(TrainingError, match="no weights file"):
        train("mobilenetv2", data="synthetic", limit=100, weights="absent.h5", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bfloat16_training_is_saved_as_float32(tmp_path: Path) -> None:
    run = train("resnet8", data="synthetic", limit=100, epochs=(1,), mixed_precision="bfloat16", out=tmp_path / "run")
    model = keras.saving.load_model(run.model_path, compile=False)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert run.record().to_json()["policy"] == "mixed_bfloat16"


def test_the_newest_run_is_the_one_finished_last(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        newest(tmp_path)
