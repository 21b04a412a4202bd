"""``predict``: pictures of every kind through exported files, bundles and runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_cifar.artifact import Bundle
from edge_cifar.cli._main import main
from edge_cifar.data import Dataset, pictures
from edge_cifar.errors import BundleError, DataError, RuntimeUnavailable
from edge_cifar.reference import Reference
from edge_cifar.run import Run
from edge_cifar.steps.predict import predict


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
    assert prediction.answers[0][0] in tiny_run.record()["data"]["labels"]


def test_somebody_elses_file_has_numbered_classes(tiny_bundle: Bundle, picture: Path, tmp_path: Path) -> None:
    (source,) = [one.path for one in tiny_bundle.artifacts if str(one.variant) == "tflite-fp32"]
    bare = Path(shutil.copy(source, tmp_path / "bare.tflite"))
    (prediction,) = predict(bare, [picture], top=1)
    assert prediction.answers[0][0].startswith("class ")


def test_changed_artifact_is_refused(tiny_bundle: Bundle, picture: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    (artifact,) = [one.path for one in Bundle.open(copy).artifacts if str(one.variant) == "tflite-fp32"]
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="checksum differs"):
        predict(artifact, [picture])


def test_bundle_that_cannot_run_here_says_so(
    tiny_bundle: Bundle, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_cifar.runtimes import loading

    for module in loading.modules():
        monkeypatch.setattr(module, "unavailable", lambda: "not here")
    with pytest.raises(RuntimeUnavailable, match=r"nothing in .* can run here"):
        predict(tiny_bundle, [picture])


def test_json_document(tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_bundle.path), str(picture), "--top", "2", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert set(result) == {"image", "model", "variant", "runtime", "preparation", "predictions"}
    assert len(result["predictions"]) == 2
    assert result["predictions"][0]["probability"] >= result["predictions"][1]["probability"]


def test_people_are_told_what_was_used_and_done(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (640, 480), "red").save(tmp_path / "wide.jpg")
    assert main(["predict", str(tiny_bundle.path), str(tmp_path / "wide.jpg")]) == 0
    shown = capsys.readouterr()
    assert "using " in shown.err
    assert "cropped from 640×480 about the centre, resized from 480×480 to 32×32" in shown.err
    assert shown.out.count("%") == 3


@pytest.mark.parametrize("missing", ["picture", "model"])
def test_what_is_missing_is_named(
    missing: str, tiny_bundle: Bundle, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path("nothing.tflite") if missing == "model" else tiny_bundle.path
    image = Path("nothing.png") if missing == "picture" else picture
    assert main(["predict", str(model), str(image)]) == 1
    assert f"nothing.{'tflite' if missing == 'model' else 'png'}" in capsys.readouterr().err


# ---- reading pictures


def colours(**save: object) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    return image


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    # Orientation 6: the camera was turned, the stored rows run downwards on the right. Red ends up on top.
    exif = Image.Exif()
    exif[0x0112] = 6
    colours().save(tmp_path / "turned.png", exif=exif)
    pixels = pictures.read(tmp_path / "turned.png", height=64, width=32).pixels
    assert tuple(pixels[10, 16]) == (255, 0, 0)
    assert tuple(pixels[50, 16]) == (0, 0, 255)


def test_crop_is_about_the_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    image.save(tmp_path / "wide.png")
    # The antialiasing filter reaches over the edge by a pixel.
    assert pictures.read(tmp_path / "wide.png", height=32, width=32).pixels[:, 1:-1].min() == 255


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    assert pictures.read(tmp_path / "glass.png", height=32, width=32).pixels.min() == 255


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    assert np.all(pictures.read(tmp_path / "deep.png", height=32, width=32).pixels == 0x80)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("picture.tiff" if mode in ("CMYK", "YCbCr") else "picture.png")
    colours().convert(mode).save(path)
    picture = pictures.read(path, height=32, width=64)
    assert picture.pixels.shape == (32, 64, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.preparation == ""


def _png() -> bytes:
    import io

    stream = io.BytesIO()
    colours().save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a picture"),
        (b"hello", "not a picture"),
        (_png()[: len(_png()) // 2], "cannot be read"),
        (_png()[:60] + bytes(40) + _png()[100:], "cannot be read"),
    ],
    ids=["empty", "text", "truncated", "damaged"],
)
def test_bad_pictures_cost_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        pictures.read(path, height=32, width=32)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [11_000, 20_000])
def test_decompression_bomb_is_refused_unopened(side: int, tmp_path: Path) -> None:
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="more than 120 million pixels"):
        pictures.read(tmp_path / "bomb.png", height=32, width=32)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        pictures.read(tmp_path, height=32, width=32)
