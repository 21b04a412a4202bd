"""The addresses of the server, asked without a network: answers, refusals, limits, and the document about them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.serve import ask, asking, picture, served_models

from edge_cifar.cli.main import main
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.serve import app
from edge_cifar.steps.predict import predict

pytest.importorskip("flask", reason="serving needs Flask")


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[Any]:
    with asking(tiny_bundle) as client:
        yield client


# ---- answers


def test_answers_are_those_of_predict(client: Any, tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(picture())
    answer = ask(client, path.read_bytes(), query="?top=10").json
    assert (answer["width"], answer["height"]) == (48, 32)
    assert [result["name"] for result in answer["results"]] == [model.name for model in served_models(tiny_bundle)]
    for result, model in zip(answer["results"], served_models(tiny_bundle), strict=True):
        (prediction,) = predict(model.path, [path], top=10)
        assert result["preparation"] == prediction.preparation != ""
        assert [(one["label"], one["probability"]) for one in result["predictions"]] == list(prediction.answers)
        assert result["milliseconds"] > 0


def test_answers_are_the_models_own(client: Any, tiny_bundle: Bundle) -> None:
    reference = Reference.read(tiny_bundle.reference_path).first(3)
    labels = tiny_bundle.artifacts[0].labels
    for image, probabilities in zip(reference.images, reference.probabilities, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "png")
        (result,) = ask(client, stream.getvalue(), query="?top=10&model=tflite-fp32").json["results"]
        answered = {one["label"]: one["probability"] for one in result["predictions"]}
        assert [answered[label] for label in labels] == pytest.approx(list(probabilities), abs=1e-3)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded", None])
def test_raw_bytes_are_a_picture_whatever_the_client_calls_them(kind: str, client: Any) -> None:
    assert ask(client, picture(kind="jpeg"), kind=kind).status_code == 200


def test_form_with_a_file_is_a_picture(client: Any) -> None:
    form = {"whatever": (io.BytesIO(picture()), "cat.png"), "comment": "mine"}
    answer = client.post("/predict", data=form, content_type="multipart/form-data")
    assert answer.status_code == 200
    assert answer.json["results"] == [
        {**result, "milliseconds": pytest.approx(result["milliseconds"], rel=1e9)}
        for result in ask(client, picture()).json["results"]
    ]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff", "avif"])
def test_formats_of_browsers_and_cameras_are_read(kind: str, client: Any) -> None:
    assert ask(client, picture(kind=kind), kind=f"image/{kind}").status_code == 200


def test_picture_is_turned_upright(client: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    answer = ask(client, picture(width=64, height=48, exif=exif)).json
    assert (answer["width"], answer["height"]) == (48, 64)


def test_artifacts_and_classes_are_chosen_by_the_query(client: Any) -> None:
    (result,) = ask(client, picture(), query="?model=onnx-int8&top=2&threshold=1").json["results"]
    assert result["name"] == "onnx-int8"
    assert len(result["predictions"]) == 2
    assert result["unsure"]


def test_no_path_of_the_server_is_told(client: Any, tiny_bundle: Bundle) -> None:
    for answer in (ask(client, picture()), client.get("/models"), ask(client, b"junk")):
        assert str(tiny_bundle.path) not in answer.text


# ---- refusals


@pytest.mark.parametrize(
    ("body", "kind", "query", "status", "words"),
    [
        (b"", "image/png", "", 400, "has no image"),
        (b"hello", "image/png", "", 415, "not an image in a supported format"),
        (b"{}", "application/json", "", 415, "not application/json"),
        (picture()[:90], "image/png", "", 422, "cannot be decoded"),
        (picture(), "image/png", "?top=0", 400, "at least 1"),
        (picture(), "image/png", "?top=many", 400, "'many'"),
        (picture(), "image/png", "?threshold=2", 400, "between 0 and 1"),
        (picture(), "image/png", "?threshold=nan", 400, "between 0 and 1"),
        (picture(), "image/png", "?model=tflite-int9", 400, "choose from tflite-fp32, onnx-int8"),
        (b"--x--", "multipart/form-data; boundary=x", "", 400, "contains 0"),
        (b"--x", "multipart/form-data", "", 400, "contains 0"),
    ],
    ids=[
        "empty",
        "text",
        "json",
        "truncated",
        "top-0",
        "top-word",
        "threshold-2",
        "threshold-nan",
        "model",
        "form",
        "no-boundary",
    ],
)
def test_refusals_say_what_is_wrong(body: bytes, kind: str, query: str, status: int, words: str, client: Any) -> None:
    answer = ask(client, body, kind, query)
    assert answer.status_code == status
    assert set(answer.json) == {"error"}
    assert words in answer.json["error"].replace("onnx-int8, tflite-fp32", "tflite-fp32, onnx-int8")


def test_two_pictures_in_one_form_are_refused(client: Any) -> None:
    form = {"a": (io.BytesIO(picture()), "a.png"), "b": (io.BytesIO(picture()), "b.png")}
    answer = client.post("/predict", data=form, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "contains 2" in answer.json["error"]


def test_bomb_is_refused_unopened(client: Any) -> None:
    stream = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(stream, "png")
    answer = ask(client, stream.getvalue())
    assert answer.status_code == 413
    assert "25 million pixels" in answer.json["error"]


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_body_over_the_limit_is_refused(kind: str, client: Any) -> None:
    answer = ask(client, bytes(app.MAX_BODY_BYTES + 1), kind)
    assert answer.status_code == 413
    assert answer.json["error"]


def test_what_pillow_hands_to_other_programs_is_not_parsed(client: Any) -> None:
    answer = ask(client, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "image/eps")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "address", "status"), [("get", "/predict", 405), ("get", "/etc", 404), ("post", "/", 405)]
)
def test_addresses_and_methods_that_are_not_there(method: str, address: str, status: int, client: Any) -> None:
    answer = getattr(client, method)(address)
    assert answer.status_code == status
    assert answer.json["error"]
    assert status != 405 or answer.headers["Allow"]


@pytest.mark.parametrize("address", ["/", "/page.css", "/page.js"])
def test_page_reaches_for_nothing_elsewhere(address: str, client: Any) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert "://" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# ---- the command


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nowhere",), 1, "nowhere"),
        (("--port", "70000"), 2, "--port"),
        (("--workers", "0"), 2, "--workers"),
        ((), 1, "train one"),
    ],
    ids=["missing", "port", "workers", "no-run"],
)
def test_what_cannot_be_served_is_told(
    arguments: tuple[str, ...], status: int, words: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == status
    assert words in capsys.readouterr().err


def test_host_that_is_not_ours_is_told(tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    path = served_models(tiny_bundle)[0].path
    assert main(["serve", str(path), "--host", "192.0.2.1", "--port", "0", "--workers", "1"]) == 1
    assert "cannot listen on 192.0.2.1 port 0" in capsys.readouterr().err
