"""``predict``: pictures of every kind through exported files, bundles and runs."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.mean_colour import expected, images, onnx_file, write_tflite

from edge_cifar.cli.main import main
from edge_cifar.data import Dataset
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, DataError, RuntimeUnavailable
from edge_cifar.steps.predict import predict, predict_each


@pytest.fixture
def picture(tmp_path: Path, synthetic: Dataset) -> Path:
    """A test image of the data's own size, stored without loss."""
    path = tmp_path / "picture.png"
    Image.fromarray(synthetic.test.images[0]).save(path)
    return path


def test_answers_are_the_models_own(tiny_bundle: Bundle, tmp_path: Path) -> None:
    reference = Reference.read(tiny_bundle.reference_path).first(3)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, reference.images, strict=True):
        Image.fromarray(image).save(path)
    labels = tiny_bundle.artifacts[0].labels
    predictions = predict(tiny_bundle, paths, top=len(labels))
    assert [prediction.image for prediction in predictions] == paths
    for prediction, probabilities in zip(predictions, reference.probabilities, strict=True):
        assert prediction.variant is not None
        assert prediction.variant.endswith("-fp32")
        assert prediction.preparation == ""
        answered = dict(prediction.answers)
        assert [answered[label] for label in labels] == pytest.approx(list(probabilities), abs=1e-3)
        assert list(answered.values()) == sorted(answered.values(), reverse=True)


def test_run_bundle_and_file_give_the_same(tiny_run: Run, tiny_bundle: Bundle, picture: Path) -> None:
    (of_run,) = predict(tiny_run, [picture])
    (of_folder,) = predict(tiny_run.path, [picture])
    (of_bundle,) = predict(tiny_bundle.path, [picture])
    (of_file,) = predict(of_bundle.model, [picture])
    assert of_run == of_folder == of_bundle == of_file


def test_run_without_export_uses_the_keras_model(tiny_run: Run, picture: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in (tiny_run.model_path, tiny_run.record_path):
        shutil.copy(path, alone)
    (prediction,) = predict(alone, [picture])
    assert prediction.runtime == "keras"
    assert prediction.variant is None
    assert prediction.answers[0][0] in tiny_run.record().to_json()["data"]["labels"]


def artifact(bundle: Bundle, variant: str) -> Path:
    (path,) = [one.path for one in bundle.artifacts if str(one.variant) == variant]
    return path


@pytest.mark.parametrize("variant", ["tflite-fp32", "onnx-fp32"])
def test_file_that_left_its_bundle_still_names_its_classes(
    variant: str, tiny_bundle: Bundle, picture: Path, tmp_path: Path
) -> None:
    source = artifact(tiny_bundle, variant)
    bare = Path(shutil.copy(source, tmp_path / f"bare{source.suffix}"))
    (alone,), (at_home,) = predict(bare, [picture]), predict(source, [picture])
    assert alone.variant is None
    assert alone.answers == at_home.answers


def test_somebody_elses_file_has_numbered_classes(
    tiny_bundle: Bundle, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_cifar.runtimes.embedded_labels.of_texts", lambda texts, source: None)
    bare = Path(shutil.copy(artifact(tiny_bundle, "tflite-fp32"), tmp_path / "bare.tflite"))
    (prediction,) = predict(bare, [picture], top=1)
    assert prediction.answers[0][0].startswith("class ")


def test_folder_is_searched_and_what_is_no_picture_left_out(
    tiny_bundle: Bundle, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "holidays"
    (folder / "day").mkdir(parents=True)
    shutil.copy(picture, folder / "day" / "cat.png")
    shutil.copy(picture, folder / "zebra.png")
    (folder / "notes.txt").write_text("sunny")
    assert main(["predict", str(tiny_bundle.path), str(folder), "--json"]) == 0
    shown = capsys.readouterr()
    found = [result["image"] for result in json.loads(shown.out)["results"]]
    assert found == [str(folder / "day" / "cat.png"), str(folder / "zebra.png")]
    assert "skipped" in shown.err
    assert "notes.txt" in shown.err


def test_folder_without_pictures_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("sunny")
    with pytest.raises(DataError, match="contains no readable image"):
        predict(tiny_bundle, [tmp_path])


def test_standard_input_is_a_picture(
    tiny_bundle: Bundle, picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (of_file,) = predict(tiny_bundle, [picture])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    assert main(["predict", str(tiny_bundle.path), "-", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["image"] == "-"
    assert result["predictions"][0]["label"] == of_file.answers[0][0]


def test_several_models_stand_side_by_side(
    tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (artifact(tiny_bundle, variant) for variant in ("tflite-fp32", "onnx-int8"))
    arguments = ["predict", str(first), str(picture), str(picture), "--model", str(second)]
    assert main([*arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["variant"] for result in results] == ["tflite-fp32", "onnx-int8"] * 2
    assert main(arguments) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["image", "tflite-fp32", "p", "onnx-int8", "p"]
    assert shown[1].split() == ["%", "%"]
    assert len(re.findall(r"\d+\.\d\b", shown[3])) == 2


def test_models_of_one_name_are_told_apart(
    tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(artifact(tiny_bundle, "tflite-fp32"))
    assert main(["predict", path, str(picture), "--model", path]) == 0
    assert capsys.readouterr().out.splitlines()[0].count(path) == 2


def test_below_the_threshold_it_is_unsure(
    tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sure,) = predict(tiny_bundle, [picture])
    likeliest = sure.answers[0][1]
    assert not sure.unsure
    assert not predict(tiny_bundle, [picture], threshold=likeliest - 1e-6)[0].unsure
    assert predict(tiny_bundle, [picture], threshold=min(likeliest + 1e-6, 1.0))[0].unsure or likeliest >= 1
    Image.new("RGB", (32, 32)).save(picture)
    assert main(["predict", str(tiny_bundle.path), str(picture), "--threshold", "1"]) == 0
    assert f"unsure: {predict(tiny_bundle, [picture])[0].answers[0][0]}?" in capsys.readouterr().out


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "much"])
def test_threshold_that_is_no_probability_is_refused(threshold: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "model.tflite", "cat.png", "--threshold", threshold]) == 2
    assert "--threshold" in capsys.readouterr().err


def test_changed_artifact_is_refused(tiny_bundle: Bundle, picture: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    changed = artifact(Bundle.open(copy), "tflite-fp32")
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="checksum mismatch"):
        predict(changed, [picture])


def test_bundle_that_cannot_run_here_says_so(
    tiny_bundle: Bundle, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar import formats

    for _, module in formats.runtimes():
        monkeypatch.setattr(module, "unavailable", lambda: "not here")
    with pytest.raises(RuntimeUnavailable, match=r"no artifact in .* can run here"):
        predict(tiny_bundle, [picture])


def test_json_document(tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_bundle.path), str(picture), "--top", "2", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert set(result) == {
        "image",
        "model",
        "variant",
        "runtime",
        "input",
        "preparation",
        "milliseconds",
        "unsure",
        "predictions",
        "error",
    }
    assert len(result["predictions"]) == 2
    assert result["predictions"][0]["probability"] >= result["predictions"][1]["probability"]


def test_people_are_told_what_was_used_and_done(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (640, 480), "red").save(tmp_path / "wide.jpg")
    assert main(["predict", str(tiny_bundle.path), str(tmp_path / "wide.jpg")]) == 0
    shown = capsys.readouterr()
    assert "using " in shown.err
    assert "center-cropped from 640×480, resized from 480×480 to 32×32" in shown.err
    assert shown.out.split()[:4] == ["image", "label", "probability", "%"]
    assert len(re.findall(r"\d+\.\d$", shown.out, re.MULTILINE)) == 3


@pytest.mark.parametrize("missing", ["picture", "model"])
def test_what_is_missing_is_named(
    missing: str, tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path("nothing.tflite") if missing == "model" else tiny_bundle.path
    image = Path("nothing.png") if missing == "picture" else picture
    assert main(["predict", str(model), str(image)]) == 1
    assert f"nothing.{'tflite' if missing == 'model' else 'png'}" in capsys.readouterr().err


@pytest.fixture
def small_picture(tmp_path: Path) -> Path:
    """A picture of the size that the hand-made network takes."""
    path = tmp_path / "small.png"
    Image.fromarray(images(1)[0]).save(path)
    return path


def test_scores_of_a_network_without_softmax_become_probabilities_and_that_is_said(
    small_picture: Path, tmp_path: Path
) -> None:
    (prediction,) = predict(onnx_file(tmp_path / "logits.onnx", softmax=False), small_picture, top=10)
    probabilities = expected(images(1))[0]
    assert [answer for _, answer in prediction.answers] == pytest.approx(sorted(probabilities, reverse=True), abs=1e-5)
    assert prediction.preparation == "the model's scores are no probabilities; softmax made them so"


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_answers_that_are_no_numbers_are_one_sentence(
    extra: tuple[str, ...], small_picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx_file(tmp_path / "nan.onnx", offset=float("nan"))
    assert main(["predict", str(path), str(small_picture), *extra]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip().endswith("nan.onnx outputs NaN or infinity")


def test_a_file_with_a_fixed_batch_answers_single_pictures(small_picture: Path, tmp_path: Path) -> None:
    path = write_tflite(tmp_path, ("float32",), batch=4)["float32"]
    (prediction,) = predict(path, small_picture, top=10)
    probabilities = expected(images(1))[0]
    assert [answer for _, answer in prediction.answers] == pytest.approx(sorted(probabilities, reverse=True), abs=1e-5)


def test_answers_are_there_before_the_next_picture_is_read(tiny_bundle: Bundle, picture: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.png"
    stream = predict_each(tiny_bundle, [picture, later])
    assert stream.images == (picture, later)
    first = next(iter(stream))
    assert first.answers
    # It was not there when the stream began.
    shutil.copy(picture, later)
    (second,) = stream
    assert second.answers == first.answers


def test_lines_come_one_by_one_and_the_columns_stand_in_line(
    tiny_bundle: Bundle, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(picture.read_bytes()[:40])
    long = Path(shutil.copy(picture, tmp_path / "a much longer name.png"))
    assert (
        main(["predict", str(tiny_bundle.path), str(picture), str(tmp_path / "bad.png"), str(long), "--top", "1"]) == 1
    )
    shown = capsys.readouterr()
    head, units, rule, first, bad, last = shown.out.splitlines()
    assert head.split() == ["image", "label", "probability"]
    assert set(rule) == {"─"}
    assert len({len(line) for line in (head, units, rule, first, bad, last)}) == 1
    assert bad.split()[-2:] == ["unreadable", "–"]
    assert "1 of 3 images could not be classified" in shown.err


def test_a_damaged_picture_in_a_folder_is_told_apart_from_what_is_none(
    tiny_bundle: Bundle, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "holidays"
    folder.mkdir()
    shutil.copy(picture, folder / "good.png")
    (folder / "damaged.png").write_bytes(picture.read_bytes()[:60])
    (folder / "notes.txt").write_text("sunny")
    assert main(["predict", str(tiny_bundle.path), str(folder), "--json"]) == 1
    shown = capsys.readouterr()
    results = json.loads(shown.out)["results"]
    assert [Path(result["image"]).name for result in results] == ["damaged.png", "good.png"]
    assert "cannot be decoded" in results[0]["error"]
    assert results[1]["predictions"]
    assert "skipped" in shown.err
    assert "1 of 2 images could not be classified" in shown.err
