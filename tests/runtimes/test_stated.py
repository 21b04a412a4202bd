"""What model files made elsewhere say of their input and their classes, and how that is used."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.foreign_models import (
    COLOURS,
    brightness_onnx,
    brightness_pictures,
    colour_onnx,
    colour_pictures,
    gray_onnx,
    with_metadata,
)
from support.listener import Listener

from edge_cifar import model_files
from edge_cifar.errors import BundleError
from edge_cifar.model_options import ModelOptions
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import stated
from edge_cifar.steps.bench import bench
from edge_cifar.steps.predict import predict

# --- TensorFlow Lite


def test_tflite_metadata_state_the_normalization_and_the_labels(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    names = tuple("abcdefghij")
    path = with_metadata(tflite_files["float32"], tmp_path / "net.tflite", mean=[127.5], std=[127.5], labels=names)
    listener = Listener()
    (red, *_) = predict(path, colour_pictures(tmp_path), top=10, progress=listener)
    assert red.input == {"layout": "nhwc", "low": -1.0, "high": 1.0, "ground": "stated"}
    assert {label for label, _ in red.answers} == set(names)
    assert listener.said[0] == "net.tflite: pixels are given in -1 to 1, as the file states"
    (told, *_) = predict(path, colour_pictures(tmp_path), input_range=(0, 1), labels=list("ABCDEFGHIJ"))
    assert (told.input["high"], told.input["ground"]) == (1.0, "told"), "what a user tells comes first"
    assert told.answers[0][0] in "ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("mean", "std", "meant"),
    [
        ([0.0], [1.0], Preprocessing(input_range=(0.0, 255.0))),
        ([0.0], [255.0], Preprocessing(mean=(0.0,), std=(255.0,))),
        ([100.0, 110.0, 120.0], [50.0, 50.0, 50.0], Preprocessing(mean=(100.0, 110.0, 120.0), std=(50.0, 50.0, 50.0))),
        ([0.5], [0.5], Preprocessing(mean=(0.5,), std=(0.5,))),
        ([1.0], [0.0], Preprocessing()),
        ([], [], Preprocessing()),
        ([float("nan")], [1.0], Preprocessing()),
    ],
)
def test_a_normalization_means_raw_pixels_and_nonsense_says_nothing(
    mean: list[float], std: list[float], meant: Preprocessing, tflite_files: dict[str, Path], tmp_path: Path
) -> None:
    path = with_metadata(tflite_files["float32"], tmp_path / "net.tflite", mean=mean, std=std)
    assert stated.by_tflite(path) == ModelOptions(preprocessing=meant)


def test_the_scale_of_a_quantized_input_comes_before_its_metadata(
    tflite_files: dict[str, Path], tmp_path: Path
) -> None:
    path = with_metadata(tflite_files["uint8"], tmp_path / "net.tflite", mean=[0.0], std=[255.0])
    runtime = model_files.load(path)
    assert (runtime.preprocessing.input_range, runtime.range_ground) == ((0.0, 255.0), "quantized")


def test_metadata_that_point_outside_the_file_say_nothing(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    objects = pytest.importorskip("edge_cifar.converters._tflite_objects")
    model = objects.parsed(tflite_files["float32"].read_bytes())
    objects.add_metadata(model, "TFLITE_METADATA", b"\xff" * 40)
    (tmp_path / "net.tflite").write_bytes(objects.packed(model))
    assert model_files.stated(tmp_path / "net.tflite") == ModelOptions()
    assert model_files.load(tmp_path / "net.tflite").range_ground == "assumed"


def test_one_of_several_outputs_of_a_tflite_file_is_taken_by_its_name(
    tflite_files: dict[str, Path], tmp_path: Path
) -> None:
    objects = pytest.importorskip("edge_cifar.converters._tflite_objects")
    model = objects.parsed(tflite_files["float32"].read_bytes())
    (graph,) = model.subgraphs
    before = int(graph.operators[-1].inputs[0])
    scores, other = (graph.tensors[number].name.decode() for number in (int(graph.outputs[0]), before))
    graph.outputs = [int(graph.outputs[0]), before]
    model.signatureDefs = []
    path = tmp_path / "two.tflite"
    path.write_bytes(objects.packed(model))
    with pytest.raises(BundleError, match=re.escape(f"has 2 outputs ({scores}, {other}); name the one")):
        model_files.load(path)
    images = np.arange(90, dtype=np.uint8).reshape(1, 6, 5, 3)
    expected = model_files.load(tflite_files["float32"]).predict(images)
    assert np.array_equal(model_files.load(path, setup=Setup(output=scores)).predict(images), expected)
    assert not np.array_equal(model_files.load(path, setup=Setup(output=other)).predict(images), expected)


def test_ultralytics_appends_its_metadata_to_a_tflite_file(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite_files["float32"].read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.json", '{"author": "Ultralytics", "imgsz": [6, 5], "names": {"0": "a", "1": "b"}}')
    assert stated.by_tflite(path) == ModelOptions(
        preprocessing=Preprocessing(input_range=(0.0, 1.0)), labels=("a", "b"), image_size=(6, 5)
    )


# --- ONNX


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "Normalized_0_1"),
        ({"deviation": (1 / 255,) * 3}, "NominalRange_0_255"),
        ({"mean": (0.5,) * 3, "deviation": (0.5,) * 3}, "Normalized_1_1"),
    ],
)
def test_onnx_states_its_range_of_pixels(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = brightness_onnx(tmp_path / "net.onnx", metadata={"Image.NominalPixelRange": told}, **settings)
    predictions = predict(path, brightness_pictures(tmp_path))
    assert [one.answers[0][0] for one in predictions] == ["class 0", "class 1", "class 2"]
    assert predictions[0].input["ground"] == "stated"
    (row,) = bench(path, seconds=0.01).results
    assert any(note.startswith("input range ") and note.endswith("as the file states") for note in row.notes)


def test_onnx_states_that_blue_comes_first(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", metadata={"Image.BitmapPixelFormat": "Bgr8"})
    predictions = predict(path, colour_pictures(tmp_path))
    assert [one.answers[0][0] for one in predictions] == ["class 2", "class 1", "class 0"]
    assert predictions[0].input["channels"] == "bgr"


def test_ultralytics_states_names_and_size(tmp_path: Path) -> None:
    texts = {"author": "Ultralytics", "imgsz": "[16, 24]", "names": "{0: 'red', 1: 'green', 2: 'blue'}"}
    path = colour_onnx(tmp_path / "net.onnx", size="side", metadata=texts)
    Image.new("RGB", (48, 32), (0, 255, 0)).save(tmp_path / "wide.png")
    (prediction,) = predict(path, tmp_path / "wide.png")
    assert prediction.answers[0][0] == "green"
    assert prediction.preparation == "resized from 48×32 to 24×16"
    assert (prediction.input["high"], prediction.input["ground"]) == (1.0, "stated")


def test_scores_may_come_by_name(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", zipmap=True)
    predictions = predict(path, colour_pictures(tmp_path))
    assert [one.answers[0][0] for one in predictions] == list(COLOURS)


def test_bench_matches_classes_by_their_names(tmp_path: Path) -> None:
    # By name the folder's classes are blue, green, red; the network's are red, green, blue.
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), colour).save(tmp_path / "photos" / name / f"{number}.png")
    path = colour_onnx(tmp_path / "net.onnx")
    unnamed, named = (
        bench(path, data=tmp_path / "photos", seconds=0.01, input_range=(0, 255), **told).results[0]
        for told in ({}, {"labels": list(COLOURS)})
    )
    assert unnamed.accuracy is not None
    assert named.accuracy is not None
    assert (unnamed.accuracy.top1, named.accuracy.top1) == (pytest.approx(1 / 3), 1.0)


# --- names beside the file, sizes, channels


def test_names_in_a_text_file_beside_the_model_are_used_where_there_are_as_many(tmp_path: Path) -> None:
    path, listener = colour_onnx(tmp_path / "net.onnx"), Listener()
    (tmp_path / "labels.txt").write_text("0 red\n1 green\n2 blue\n")
    predictions = predict(path, colour_pictures(tmp_path), progress=listener)
    assert [one.answers[0][0] for one in predictions] == ["red", "green", "blue"]
    assert "net.onnx: class names from labels.txt" in listener.said
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    assert predict(path, colour_pictures(tmp_path))[0].answers[0][0] == "class 0"


def test_a_size_that_is_told_is_that_of_every_picture(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", size="side")
    Image.new("RGB", (60, 30), (0, 0, 255)).save(tmp_path / "wide.png")
    (told,) = predict(path, tmp_path / "wide.png", image_size="10x20")
    assert (told.answers[0][0], told.preparation) == ("class 2", "resized from 60×30 to 20×10")


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28)], ids=["plain", "nhwc", "nchw"])
def test_grayscale_networks_take_pictures_in_colour(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = gray_onnx(tmp_path / "net.onnx", shape)
    predictions = predict(path, brightness_pictures(tmp_path))
    assert [one.answers[0][0] for one in (predictions[0], predictions[2])] == ["class 0", "class 1"]
    assert predictions[0].input["channels"] == "gray"
    (row,) = bench(path, seconds=0.01).results
    assert row.status == "ok"


def test_a_range_that_is_told_against_the_metadata_is_said(tmp_path: Path) -> None:
    path = brightness_onnx(tmp_path / "net.onnx", metadata={"Image.NominalPixelRange": "Normalized_0_1"})
    listener = Listener()
    predict(f"{path}:range=-1,1", brightness_pictures(tmp_path)[0], progress=listener)
    assert "net.onnx: input range -1 to 1, as told, although the file states 0 to 1" in listener.said
    assert model_files.overruled(path, Preprocessing(input_range=(0, 1))) == ""
    assert model_files.overruled(path, Preprocessing()) == ""
    assert "BGR" in model_files.overruled(path, Preprocessing(channels="bgr"))
