"""Model files that do not say which range of pixels they take: what is assumed is said, and what speaks against it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.foreign_models import (
    brightness_folder,
    brightness_onnx,
    brightness_pictures,
    colour_onnx,
    colour_pictures,
)
from support.listener import Listener

from edge_cifar import model_files
from edge_cifar.evaluation.variety import variety
from edge_cifar.model_options import ModelOptions
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.serve.worker_pool import Question, ServedModel, WorkerPool
from edge_cifar.steps.bench import bench
from edge_cifar.steps.predict import predict

pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the files")


def likeliest(path: Path, images: list[Path]) -> list[str]:
    return [prediction.answers[0][0] for prediction in predict(path, images)]


IMAGENET = {"mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "0 to 1"), (IMAGENET, "ImageNet mean and standard deviation")],
    ids=["unit", "imagenet"],
)
def test_a_range_that_is_assumed_is_said_and_a_better_one_named(
    settings: dict[str, Any], name: str, tmp_path: Path
) -> None:
    path, listener = brightness_onnx(tmp_path / "net.onnx", **settings), Listener()
    predictions = predict(path, brightness_pictures(tmp_path), progress=listener)
    assert [prediction.input["ground"] for prediction in predictions] == ["assumed"] * 3
    assumed, alike, better = listener.said
    assert assumed == "net.onnx: assuming an input range of 0 to 255, as the file does not state it"
    assert "the predictions for 3 different images are identical (class 2, 100.0%)" in alike
    assert f"an input range of {name} separates these images far better than 0 to 255" in better


def test_a_range_that_is_right_is_not_doubted(tmp_path: Path) -> None:
    listener = Listener()
    assert likeliest(colour_onnx(tmp_path / "net.onnx"), colour_pictures(tmp_path)) == ["class 0", "class 1", "class 2"]
    predict(tmp_path / "net.onnx", colour_pictures(tmp_path), progress=listener)
    assert len(listener.said) == 1
    assert "assuming an input range" in listener.said[0]


def test_one_picture_given_three_times_is_no_ground_for_doubt(tmp_path: Path) -> None:
    listener = Listener()
    dark = brightness_pictures(tmp_path)[0]
    predict(brightness_onnx(tmp_path / "net.onnx"), [dark] * 3, progress=listener)
    assert len(listener.said) == 1


def test_a_file_that_says_what_it_takes_is_believed(tmp_path: Path) -> None:
    description = {"description": "resnet8 trained on cifar10: raw RGB pixels in, class probabilities out"}
    listener = Listener()
    (prediction, *_) = predict(
        colour_onnx(tmp_path / "net.onnx", metadata=description), colour_pictures(tmp_path), progress=listener
    )
    assert prediction.input == {"layout": "nchw", "low": 0.0, "high": 255.0, "ground": "stated"}
    assert listener.said == ["net.onnx: pixels are given in 0 to 255, as the file states"]


def test_channels_may_have_ranges_of_their_own(tmp_path: Path) -> None:
    told = Preprocessing(mean=IMAGENET["mean"], std=IMAGENET["deviation"])
    runtime = model_files.load(brightness_onnx(tmp_path / "net.onnx", **IMAGENET), setup=Setup(preprocessing=told))
    images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (20, 128, 235)])
    assert runtime.predict(images).argmax(axis=1).tolist() == [0, 1, 2]
    planes = model_files.load(
        colour_onnx(tmp_path / "planes.onnx"),
        setup=Setup(preprocessing=Preprocessing(mean=(250, 0, 250), std=(1, 1, 1))),
    )
    # Of a white picture only green is left.
    assert planes.predict(np.full((1, 8, 8, 3), 255, np.uint8)).argmax() == 1


def test_blue_may_come_first(tmp_path: Path) -> None:
    path, pictures = colour_onnx(tmp_path / "net.onnx"), colour_pictures(tmp_path)
    answers = [one.answers[0][0] for one in predict(path, pictures, channels="bgr")]
    assert answers == ["class 2", "class 1", "class 0"]


def test_variety_is_the_number_of_classes_told_apart() -> None:
    assert variety(np.eye(4)) == pytest.approx(4)
    assert variety(np.tile([0.9, 0.1], (5, 1))) == pytest.approx(1)
    assert variety(np.full((5, 4), 0.25)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"deviation": (1 / 255,) * 3}, {"low": 0.0, "high": 255.0}),
        ({}, {"low": 0.0, "high": 1.0}),
        (IMAGENET, {"mean": list(IMAGENET["mean"]), "std": list(IMAGENET["deviation"])}),
    ],
    ids=["raw", "unit", "imagenet"],
)
def test_bench_finds_the_range_that_is_clearly_the_best(
    settings: dict[str, Any], found: dict[str, Any], tmp_path: Path
) -> None:
    path, data = brightness_onnx(tmp_path / "net.onnx", **settings), brightness_folder(tmp_path / "photos", each=60)
    report = bench(path, data=str(data), seconds=0.01, threads=(1, 2))
    assert len(report.results) == 2
    for row in report.results:
        assert row.input is not None
        assert {key: row.input[key] for key in (*found, "ground")} == {**found, "ground": "tried"}
        assert row.accuracy is not None
        assert row.accuracy.top1 == 1
        assert row.caveat is None
        (note,) = [note for note in row.notes if "found by trial" in note]
        assert re.fullmatch(r"input range .* found by trial \(top-1 on \d+ labelled images: .* 100\.0%, .*\)", note)


def test_bench_doubts_a_range_that_is_told_where_another_does_better(tmp_path: Path) -> None:
    path, data = brightness_onnx(tmp_path / "net.onnx"), brightness_folder(tmp_path / "photos", each=40)
    wrong, right = (bench(f"{path}:range={told}", data=str(data), seconds=0.01).results[0] for told in ("0,255", "0,1"))
    assert wrong.input is not None
    assert (wrong.input["ground"], wrong.input["high"]) == ("told", 255.0)
    assert wrong.caveat is not None
    assert not wrong.pareto
    (doubt,) = [note for note in wrong.notes if note.startswith("another input range gives better accuracy")]
    assert "(top-1 on 24 labelled images: 0 to 1 100.0%, " in doubt
    assert "0 to 255 33.3%" in doubt
    assert doubt.endswith("; try --input-range=0,1")
    assert right.accuracy is not None
    assert (right.accuracy.top1, right.caveat, right.pareto) == (1, None, True)
    assert not any("input range" in note for note in right.notes)


def test_bench_says_where_all_answers_are_the_same(tmp_path: Path) -> None:
    data = brightness_folder(tmp_path / "photos", each=10)
    (row,) = bench(brightness_onnx(tmp_path / "net.onnx"), data=str(data), seconds=0.01, input_range=(10, 11)).results
    assert row.caveat == "the predictions for all images are the same"
    assert not row.pareto


def test_a_server_says_what_is_assumed_and_what_speaks_against_it(tmp_path: Path) -> None:
    path = brightness_onnx(tmp_path / "net.onnx")
    served = ServedModel(name="net", path=path, labels=None, variant=None, foreign=True)
    pool = WorkerPool([served], workers=1, places=4)
    try:
        questions = [
            Question(picture=io.BytesIO(picture.read_bytes()), models=(), top=1, threshold=0)
            for picture in brightness_pictures(tmp_path)
        ]
        answers = [pool.ask(question)["results"][0]["warnings"] for question in questions]
    finally:
        pool.close()
    assert [len(warnings) for warnings in answers] == [1, 1, 2]
    assert "assuming an input range" in answers[0][0]
    assert "the predictions for 3 different images are identical" in answers[2][1]


def test_a_server_gives_pixels_as_it_is_told(tmp_path: Path) -> None:
    options = ModelOptions.of({"input_range": "0,1", "labels": "dark,middling,bright"})
    path = brightness_onnx(tmp_path / "net.onnx")
    served = ServedModel(name="net", path=path, labels=None, variant=None, foreign=True, options=options)
    pool = WorkerPool([served], workers=1, places=4)
    try:
        answers = [
            pool.ask(Question(picture=io.BytesIO(picture.read_bytes()), models=(), top=1, threshold=0))["results"][0]
            for picture in brightness_pictures(tmp_path)
        ]
    finally:
        pool.close()
    assert [answer["predictions"][0]["label"] for answer in answers] == ["dark", "middling", "bright"]
    assert [answer["warnings"] for answer in answers] == [[], [], []]
