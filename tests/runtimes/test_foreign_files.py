"""Model files that other people made: their outputs, names, sizes and parts, and what helps where one cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.foreign_models import (
    brightness_folder,
    colour_onnx,
    colour_pictures,
    with_weights_outside,
)

from edge_cifar import model_files
from edge_cifar.cli.main import main
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.evaluation import scores
from edge_cifar.runtimes import _remedies, embedded_labels, litert
from edge_cifar.steps.bench import bench
from edge_cifar.steps.predict import predict
from edge_cifar.storage import files

pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the files")


def likeliest(path: Path | str, images: list[Path], **told: Any) -> list[str]:
    return [prediction.answers[0][0] for prediction in predict(path, images, **told)]


# --- the output


@pytest.mark.parametrize("last", ["Sigmoid", "Identity"])
def test_a_single_output_tells_two_classes_apart(last: str, tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", single=last)
    red, green, _ = predict(path, colour_pictures(tmp_path))
    assert dict(red.answers) == pytest.approx({"class 1": 1, "class 0": 0}, abs=1e-6)
    assert dict(green.answers) == pytest.approx({"class 1": 0, "class 0": 1}, abs=1e-6)
    assert "the second of two classes" in red.preparation


def test_the_one_name_of_a_single_output_is_that_of_the_second_class(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", single="Sigmoid", metadata={"labels": '["red"]'})
    assert likeliest(path, colour_pictures(tmp_path)) == ["red", "not red", "not red"]


def test_single_scores_become_probabilities_by_what_they_are() -> None:
    probabilities, how = scores.as_probabilities(np.array([[0.25], [1.0]], np.float32))
    assert probabilities.tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert how == scores.OF_TWO
    logits, how = scores.as_probabilities(np.array([[0.5], [-3.0]], np.float32))
    assert logits[:, 1] == pytest.approx(1 / (1 + np.exp([-0.5, 3.0])))
    assert how == scores.SIGMOID


@pytest.mark.parametrize("output", [(3, 1, 1), (1, 1, 3), (1, 3)])
def test_sides_of_one_behind_the_batch_go(output: tuple[int, ...], tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", output=output)
    assert likeliest(path, colour_pictures(tmp_path)) == ["class 0", "class 1", "class 2"]


def test_several_outputs_want_a_name(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", second_output=True)
    with pytest.raises(BundleError, match=r"has 2 outputs \(answer, mean\); name the one .*: --output-name NAME"):
        predict(path, colour_pictures(tmp_path))
    assert likeliest(path, colour_pictures(tmp_path), output_name="answer") == ["class 0", "class 1", "class 2"]
    with pytest.raises(BundleError, match="has no output 'other'; it has answer, mean"):
        predict(f"{path}:output=other", colour_pictures(tmp_path))
    (row,) = bench(f"{path}:output=answer", seconds=0.01).results
    assert row.status == "ok"


# --- names


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": "{0: 'red', 1: 'green', 2: 'blue'}"},
        {"names": '["red", "green", "blue"]'},
        {"classes": '{"0": "red", "1": "green", "2": "blue"}'},
        {"labels": '["red", "green", "blue"]'},
    ],
)
def test_names_that_a_file_holds_are_used(metadata: dict[str, str], tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", metadata=metadata)
    assert likeliest(path, colour_pictures(tmp_path)) == ["red", "green", "blue"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red, green",
        "{0: 'red', 2: 'blue'}",
        "[1, 2, 3]",
        "{}",
        "[" * 5000,
        "__import__('os').getcwd()",
        "-" * 10**6,
    ],
    ids=["empty", "no-list", "gap", "numbers", "none", "deep", "code", "signs"],
)
def test_what_is_no_list_of_names_is_left_alone(text: str) -> None:
    assert embedded_labels.of_texts({"names": text}, "net.onnx") is None


# --- suffixes, sizes, parts


def test_a_suffix_in_capitals_is_as_good(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "NET.ONNX")
    assert likeliest(path, colour_pictures(tmp_path)) == ["class 0", "class 1", "class 2"]
    (row,) = bench(path, seconds=0.01).results
    assert (row.status, row.to_json()["format"]) == ("ok", "onnx")


def test_a_file_of_any_size_takes_a_picture_at_its_own(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", size="side")
    Image.new("RGB", (5, 9), (0, 255, 0)).save(tmp_path / "narrow.png")
    (prediction,) = predict(path, [tmp_path / "narrow.png"])
    assert prediction.answers[0][0] == "class 1"
    assert prediction.preparation == ""
    Image.new("RGB", (4096, 2048)).save(tmp_path / "huge.png")
    (made_smaller,) = predict(path, [tmp_path / "huge.png"])
    assert made_smaller.preparation == "resized from 4096×2048 to 1024×512"
    data = brightness_folder(tmp_path / "photos", each=5)
    (row,) = bench(path, data=str(data), image_size=12, seconds=0.01).results
    assert row.accuracy is not None, "it was asked images of 12 by 12"


def test_weights_in_a_second_file_count(tmp_path: Path) -> None:
    path = with_weights_outside(tmp_path / "net.onnx", "net.data")
    assert likeliest(path, colour_pictures(tmp_path)) == ["class 0", "class 1", "class 2"]
    (row,) = bench(path, seconds=0.01).results
    assert row.size_bytes == path.stat().st_size + 3 * 3 * 4
    assert row.gzip_bytes == files.gzip_bytes(path) + files.gzip_bytes(tmp_path / "net.data")
    before = row.sha256
    content = bytearray((tmp_path / "net.data").read_bytes())
    content[0] ^= 1
    (tmp_path / "net.data").write_bytes(content)
    assert model_files.sha256(path) != before, "the checksum is that of both files"


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    path = with_weights_outside(tmp_path / "net.onnx", "net.data")
    (tmp_path / "net.data").unlink()
    with pytest.raises(BundleError, match=r"stores its weights in net\.data, which is missing"):
        predict(path, colour_pictures(tmp_path))
    (row,) = bench(path, seconds=0.01).results
    assert row.status == "failed"
    assert "net.data" in str(row.reason)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = with_weights_outside(tmp_path / "model" / "net.onnx", "../secret")
    with pytest.raises(BundleError, match=r"refers to weights outside its folder, which are not read \(\.\./secret\)"):
        predict(path, colour_pictures(tmp_path))


# --- what helps


def test_a_file_of_a_newer_onnx_wants_a_newer_runtime(tmp_path: Path) -> None:
    path = colour_onnx(tmp_path / "net.onnx", opset=99)
    with pytest.raises(BundleError, match="pip install --upgrade onnxruntime") as refused:
        model_files.load(path)
    assert "export it again" not in str(refused.value)


@pytest.mark.parametrize(
    ("message", "helps"),
    [
        ("Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter.", "Flex"),
        ("Encountered unresolved custom op: FlexErf.\nSee instructions", "Flex"),
        ("Encountered unresolved custom op: TFLite_Detection_PostProcess", "built-in operators only"),
        ("Didn't find op for builtin opcode 'CONV_2D' version '99'.", "pip install --upgrade ai-edge-litert"),
        ("Model provided has model identifier 'aaaa', should be 'TFL3'", "export it again"),
    ],
)
def test_the_way_out_is_one_that_helps(message: str, helps: str) -> None:
    assert helps in _remedies.remedy(ValueError(message), litert._REMEDIES)


# --- pictures


def test_one_unreadable_picture_costs_its_own_answer_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(colour_onnx(tmp_path / "net.onnx"))
    good = [str(path) for path in colour_pictures(tmp_path)]
    (tmp_path / "bad.png").write_bytes(b"no picture")
    named = [*good, str(tmp_path / "bad.png"), *good, *good[:2]]
    assert main(["predict", model, *named, "--top", "1"]) == 1
    shown = capsys.readouterr()
    assert shown.out.count(" 100.0\n") == 8
    assert "bad.png" in shown.out
    assert f"1 of 9 images could not be classified: {tmp_path / 'bad.png'} is not an image" in shown.err
    assert main(["predict", model, *named, "--json"]) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    assert [bool(result["error"]) for result in results] == [False] * 3 + [True] + [False] * 5
    assert results[3]["predictions"] == []


def test_a_file_of_pytorch_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "m.pt").touch()
    with pytest.raises(UsageError, match=r"m\.pt is a PyTorch file; write it as ONNX"):
        predict(tmp_path / "m.pt", tmp_path)
