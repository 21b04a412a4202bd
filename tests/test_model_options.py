"""What a user tells of a model made elsewhere: numbers, names and options behind a file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_cifar import class_names
from edge_cifar.errors import UsageError
from edge_cifar.model_options import ModelOptions, split
from edge_cifar.preprocessing import Preprocessing

# --- preprocessing


def test_a_mean_of_scaled_pixels_is_told_from_one_of_raw_pixels() -> None:
    torch = Preprocessing(mean=(0.5,), std=(0.25,))
    assert torch.ranges(3) == ((-2.0, 2.0),) * 3
    raw = Preprocessing(mean=(127.5,), std=(127.5,))
    assert raw.ranges(1) == ((-1.0, 1.0),)
    caffe = Preprocessing(mean=(100.0, 110.0, 120.0), channels="bgr")
    assert caffe.ranges(3) == ((-100.0, 155.0), (-110.0, 145.0), (-120.0, 135.0))
    assert Preprocessing(mean=(0.0,), std=(255.0,)).ranges(1) == ((0.0, 1.0),)


def test_a_range_is_that_of_all_channels() -> None:
    assert Preprocessing(input_range=(-1, 1)).ranges(3) == ((-1, 1),) * 3
    assert Preprocessing(layout="nchw").ranges(3) is None


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"input_range": (1.0, 1.0)}, "the lower first"),
        ({"input_range": (0.0, float("inf"))}, "the lower first"),
        ({"input_range": (0.0, 1.0), "mean": (0.5,)}, "cannot be combined"),
        ({"std": (0.5,)}, "--std needs --mean"),
        ({"mean": (0.1, 0.2)}, "--mean takes 1 or 3 numbers; got 2"),
        ({"mean": (0.1, 0.2, 0.3), "channels": "gray"}, "--mean takes 1 number; got 3"),
        ({"mean": (0.1,), "std": (0.0,)}, "--std takes positive numbers; got 0"),
        ({"mean": (float("nan"),)}, "--mean takes finite numbers"),
        ({"channels": "rgba"}, "did you mean 'rgb'"),
        ({"layout": "hwc"}, "did you mean 'nhwc'"),
    ],
)
def test_what_cannot_be_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Preprocessing(**told)


def test_means_of_three_channels_do_not_fit_one() -> None:
    with pytest.raises(UsageError, match="--mean has 3 numbers, but the model takes 1 channel"):
        Preprocessing(mean=(0.1, 0.2, 0.3)).ranges(1)


def test_a_file_s_own_preprocessing_replaces_the_command_s_range_and_keeps_the_rest() -> None:
    command = Preprocessing(mean=(0.5,), std=(0.5,), channels="bgr", layout="nchw")
    assert Preprocessing(input_range=(0, 1), layout="nhwc").over(command) == Preprocessing(
        input_range=(0, 1), channels="bgr", layout="nhwc"
    )
    assert Preprocessing().over(command) == command


def test_preprocessing_is_spelt_as_options_and_in_words() -> None:
    told = Preprocessing(mean=(103.939, 116.779, 123.68), channels="bgr")
    assert told.options == "--mean=103.939,116.779,123.68 --channels=bgr"
    assert told.words == "mean 103.939,116.779,123.68, std 1, BGR"
    assert Preprocessing(input_range=(-1, 1)).words == "-1 to 1"
    assert Preprocessing().options == Preprocessing().words == ""


# --- class names


@pytest.mark.parametrize(
    "content",
    [
        "red\ngreen\nnavy blue\n",
        "\ufeffred\r\n\r\ngreen\r\nnavy blue",
        "0 red\n1 green\n2 navy blue\n",
        "0: red\n1: green\n2: navy blue\n",
        '["red", "green", "navy blue"]',
        '{"0": "red", "2": "navy blue", "1": "green"}',
        '{"red": 0, "navy blue": 2, "green": 1}',
    ],
    ids=["lines", "windows", "numbered", "colons", "list", "object", "indices"],
)
def test_a_file_of_class_names(content: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(content.encode())
    assert class_names.parse(str(tmp_path / "labels.txt")) == ("red", "green", "navy blue")


def test_names_that_are_numbers_stay(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1 lion\n7 bears\n")
    assert class_names.parse(tmp_path / "labels.txt") == ("1 lion", "7 bears")
    assert class_names.parse("a, b,c") == ("a", "b", "c")
    assert class_names.parse(["x", "y"]) == ("x", "y")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not hold printable class names"),
        (b"\xff\xfe\x00", "is not a text file of class names"),
        (b"red\nred\n", "names the class 'red' twice"),
        (b'{"1": "red"}', "does not number its class names from 0 on"),
        (b"[1, 2]", "is not a list of class names"),
        (b"[", "is not valid JSON"),
        (b"a\x1b[2J\n", "does not hold printable class names"),
    ],
)
def test_what_is_no_file_of_class_names_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        class_names.parse(tmp_path / "labels.txt")


def test_a_missing_file_of_class_names_is_not_one_name() -> None:
    with pytest.raises(UsageError, match="no file of class names at labels\\.txt"):
        class_names.parse("labels.txt")


# --- options


def test_texts_and_values_say_the_same() -> None:
    texts = ModelOptions.of({"input_range": "-1,1", "labels": "a,b", "image_size": "240x320", "output_name": "probs"})
    values = ModelOptions.of(
        {"input_range": (-1, 1), "labels": ["a", "b"], "image_size": (240, 320), "output_name": "probs"}
    )
    assert texts == values
    assert texts.image_size == (240, 320)
    assert (
        ModelOptions.of({"image_size": "96"}).image_size == ModelOptions.of({"image_size": 96}).image_size == (96, 96)
    )
    assert ModelOptions.of({"mean": 0.5, "std": "0.25"}).preprocessing.ranges(1) == ((-2.0, 2.0),)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"input_range": "x"}, "--input-range takes numbers separated by commas; got 'x'"),
        ({"input_range": "1"}, "--input-range takes two numbers"),
        ({"mean": "1,b"}, "--mean takes numbers separated by commas"),
        ({"image_size": "large"}, "--image-size takes a side in pixels, or HEIGHTxWIDTH"),
        ({"image_size": "1x2x3"}, "--image-size takes a side"),
        ({"image_size": 0}, "--image-size must be at least 1"),
        ({"image_size": 1.5}, "--image-size takes an integer"),
        ({"output_name": ""}, "--output-name takes the name of an output"),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused(told: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ModelOptions.of(told)


def test_options_behind_a_file_are_its_own(tmp_path: Path) -> None:
    path, options = split("nets/a:b.onnx:mean=0.5:std=0.25:channels=bgr:output=probs:size=32")
    assert path == Path("nets/a:b.onnx")
    assert options.preprocessing == Preprocessing(mean=(0.5,), std=(0.25,), channels="bgr")
    assert (options.output, options.image_size) == ("probs", (32, 32))
    named = tmp_path / "a.onnx:range=0,1"
    named.touch()
    assert split(named) == (named, ModelOptions()), "a file of that very name is no file with options"
    with pytest.raises(UsageError, match=r"a\.onnx: --input-range takes two numbers"):
        split("a.onnx:range=1")
    with pytest.raises(UsageError, match="gives range twice"):
        split("a.onnx:range=0,1:range=0,1")


def test_options_of_a_file_come_before_those_of_the_command() -> None:
    command = ModelOptions.of({"labels": "a,b", "input_range": (0, 1), "output_name": "x"})
    own = ModelOptions.of({"input_range": (-1, 1), "output_name": "y"})
    merged = own.over(command)
    assert (merged.labels, merged.output) == (("a", "b"), "y")
    assert merged.preprocessing.input_range == (-1, 1)


def test_an_unknown_option_behind_a_file_is_named(in_folder: Path) -> None:
    Path("a.onnx").touch()
    with pytest.raises(UsageError, match=r"a\.onnx: unknown option 'rnge'; did you mean 'range'\?"):
        split("a.onnx:rnge=0,1")
    with pytest.raises(UsageError, match=r"unknown option 'chanels'; did you mean 'channels'\?"):
        split("a.onnx:range=0,1:chanels=bgr")
    assert split("a.onnx:") == (Path("a.onnx"), ModelOptions())


def test_a_misspelt_keyword_is_refused_as_python_does() -> None:
    def predict(model: str, *, threshold: float = 0.0, **told: Any) -> ModelOptions:
        return ModelOptions.of(told, predict)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match=r"predict\(\) got .* 'input_rnage'; did you mean 'input_range'\?"):
        predict("a.onnx", input_rnage=(0, 1))
    with pytest.raises(TypeError, match=r"did you mean 'threshold'\?"):
        predict("a.onnx", treshold=0.5)
    with pytest.raises(TypeError, match="it also takes input_range, mean"):
        predict("a.onnx", x=1)
    assert predict("a.onnx", output="probs") == predict("a.onnx", output_name="probs")
    with pytest.raises(UsageError, match="give it once"):
        predict("a.onnx", output="probs", output_name="probs")
