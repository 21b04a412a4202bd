"""``ec.predict`` on arrays, images of Pillow and paths, one or several."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.mean_colour import expected, images, onnx_file

import edge_cifar as ec
from edge_cifar.documents.prediction import Predictions
from edge_cifar.errors import DataError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that takes images of 6×5."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    return onnx_file(tmp_path_factory.mktemp("model") / "net.onnx")


def probabilities(predictions: Predictions) -> np.ndarray:
    """``[N, classes]``, in the order of the classes."""
    classes = [f"class {number}" for number in range(10)]
    return np.array([[dict(one.answers)[label] for label in classes] for one in predictions])


FOUR = images(4)
FORMS: dict[str, Any] = {
    "batch": FOUR,
    "list of arrays": list(FOUR),
    "integers": FOUR.astype(np.int64),
    "floats to 1": FOUR / 255,
    "floats to 255": FOUR.astype(np.float32),
    "floats from -1 to 1": FOUR / 127.5 - 1,
    "images of Pillow": [Image.fromarray(image) for image in FOUR],
    "with transparency": np.concatenate([FOUR, np.full((4, 6, 5, 1), 255, np.uint8)], axis=3),
    "a generator": (image for image in FOUR),
    "a mixture": [Image.fromarray(FOUR[0]), FOUR[1:3], FOUR[3] / 255],
}


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
def test_answers_are_the_networks_in_whatever_form_the_images_come(model: Path, given: Any) -> None:
    predictions = ec.predict(model, given, top=10)
    assert [one.image for one in predictions] == [0, 1, 2, 3]
    np.testing.assert_allclose(probabilities(predictions), expected(FOUR), atol=1e-4)


@pytest.mark.parametrize("given", [FOUR[0], FOUR[0] / 255, Image.fromarray(FOUR[0])], ids=["bytes", "floats", "Pillow"])
def test_a_single_image_gives_a_list_of_one(model: Path, given: Any) -> None:
    (prediction,) = ec.predict(model, given)
    best = expected(FOUR[:1])[0]
    assert prediction.label == f"class {best.argmax()}"
    assert prediction.probability == pytest.approx(best.max(), abs=1e-4)


def test_a_tensor_is_an_array(model: Path) -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            return FOUR

    assert len(ec.predict(model, Tensor())) == 4


def test_grayscale_has_one_channel_or_none(model: Path) -> None:
    gray = FOUR[..., 0]
    answers = expected(np.repeat(gray[..., np.newaxis], 3, axis=3))
    np.testing.assert_allclose(probabilities(ec.predict(model, gray[..., np.newaxis], top=10)), answers, atol=1e-4)
    np.testing.assert_allclose(probabilities(ec.predict(model, gray[0], top=10)), answers[:1], atol=1e-4)


def test_other_sizes_are_fitted_and_it_is_said(model: Path) -> None:
    large = np.repeat(np.repeat(FOUR[0], 4, axis=0), 4, axis=1) / 255
    (prediction,) = ec.predict(model, large)
    assert prediction.preparation.startswith("float64 from 0 to 1 converted to 0 to 255; resized from 20×24 to 5×6")


def test_paths_and_arrays_mix_and_are_named_by_path_and_place(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(FOUR[0]).save(path)
    predictions = ec.predict(model, [str(path), FOUR[1], path])
    assert [one.image for one in predictions] == [path, 1, path]
    assert ec.predict(model, np.array([str(path)])) == ec.predict(model, path) == predictions[:1]


def test_an_image_that_cannot_be_read_costs_its_own_answer_only(model: Path) -> None:
    unknown = Image.fromarray(np.zeros((6, 5), np.float32), mode="F")
    bad, good = ec.predict(model, [unknown, FOUR[0]])
    assert bad.error == "image 0 has floating-point pixels of unknown range; convert it to 8 bits first"
    assert bad.label is None
    assert bad.probability is None
    assert good.error is None


def test_an_image_of_pillow_stays_as_it_is(model: Path) -> None:
    turned = Image.fromarray(FOUR[0])
    turned.getexif()[0x0112] = 6
    before = turned.tobytes()
    ec.predict(model, turned)
    assert turned.tobytes() == before


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.zeros((3, 6, 5), np.uint8), "got [3, 6, 5]; move the channels to the end with numpy.moveaxis"),
        (np.zeros((2, 3, 6, 5), np.uint8), "got [2, 3, 6, 5]; move the channels to the end with numpy.moveaxis"),
        (np.zeros(7, np.uint8), "several images are [N, height, width, 3]; got [7]"),
        (np.full((6, 5, 3), 300), "integers from 0 to 255 or floats from 0 to 1; got int64 from 300 to 300"),
        (np.full((6, 5, 3), np.nan), "got float64 from nan to nan"),
        (7, "an image is a path, a NumPy array or an image of Pillow; got int"),
        ([None], "got NoneType"),
    ],
    ids=["channels first", "batch of those", "vector", "large", "nan", "number", "nothing"],
)
def test_what_is_no_image_is_refused_in_one_sentence(model: Path, given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)):
        ec.predict(model, given)


# ---- what comes back


def test_predictions_show_themselves(model: Path) -> None:
    predictions = ec.predict(model, FOUR, top=2, threshold=0.999)
    best = predictions[0]
    assert repr(best) == (
        f"<Prediction image 0: {best.label} {100 * best.answers[0][1]:.1f} %, "
        f"{best.answers[1][0]} {100 * best.answers[1][1]:.1f} % (unsure)>"
    )
    assert re.fullmatch(r"<Predictions net.onnx on 4 images: class \d, class \d, class \d, …>", repr(predictions))
    frame = predictions.to_dataframe()
    assert list(frame["image"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(frame["rank"]) == [1, 2] * 4
    assert list(frame["probability"][:2]) == pytest.approx([100 * value for _, value in best.answers])
    assert frame["unsure"].all()
    html = predictions._repr_html_()
    assert html
    assert html.count("<tr>") == 9
    assert f"0: unsure whether it is {best.label}" in html
    assert best._repr_html_()


def test_the_model_has_a_column_where_there_are_several(model: Path) -> None:
    def shown(predictions: Predictions) -> list[str]:
        return [column.name for column in predictions.table().chosen(()).columns]

    other = onnx_file(model.with_name("other.onnx"))
    assert shown(ec.predict(model, FOUR)) == ["image", "label", "probability"]
    both = ec.predict([model, other], FOUR)
    assert shown(both) == ["image", "model", "label", "probability"]
    assert repr(both).startswith("<Predictions 2 models on 4 images: ")
    assert repr(ec.predict(model, [])) == "<Predictions no images>"
