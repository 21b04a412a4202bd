"""Runtimes: raw pixels in, probabilities out, whatever the file's own number types are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mean_colour import CLASSES, WEIGHTS, expected, images, onnx_file

from edge_cifar import formats, model_files
from edge_cifar.errors import BundleError, RuntimeUnavailable, UsageError
from edge_cifar.input_ranges import name_of
from edge_cifar.pixels import ImageInput, Quantization, Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes.coreml import CoreML
from edge_cifar.runtimes.coreml_reference import ReferenceRuntime
from edge_cifar.runtimes.keras import KerasRuntime
from edge_cifar.runtimes.litert import LiteRT
from edge_cifar.runtimes.onnxruntime import OnnxRuntime


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "pixel_range"),
    [
        (np.uint8, 1.0, 0, (0.0, 255.0)),
        (np.int8, 1.0, -128, (0.0, 255.0)),  # MLPerf Tiny
        (np.int8, 1 / 255, -128, (0.0, 1.0)),
        (np.int8, 2 / 255, 0, (-1.0, 1.0)),
        (np.uint8, 2 / 255, 128, (-1.0, 1.0)),
        (np.int8, 1.0, 0, (-128.0, 127.0)),
        (np.int8, 0.5, 3, (0.0, 255.0)),  # fits none: raw pixels
        (np.float32, 1.0, 0, (0.0, 255.0)),
    ],
)
def test_what_pixels_stand_for_follows_from_the_quantization(
    dtype: type, scale: float, zero_point: int, pixel_range: tuple[float, float]
) -> None:
    quantization = Quantization(dtype=np.dtype(dtype), scale=scale, zero_point=zero_point)
    found = ImageInput.of((1, 6, 5, 3), quantization, "x")
    assert found.preprocessing.input_range == pixel_range


def test_the_range_can_be_told() -> None:
    setup = Setup(preprocessing=Preprocessing(input_range=(-1.0, 1.0)))
    told = ImageInput.of((None, 6, 5, 3), Quantization(dtype=np.dtype(np.float32)), "x", setup)
    assert told.encode(np.full((1, 6, 5, 3), 255, np.uint8)).max() == 1.0
    assert told.encode(np.zeros((1, 6, 5, 3), np.uint8)).min() == -1.0


def test_every_pixel_of_an_mlperf_input_is_itself_minus_128() -> None:
    quantization = Quantization(dtype=np.dtype(np.int8), scale=1.0, zero_point=-128)
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    encoded = ImageInput.of((1, 16, 16, 3), quantization, "x").encode(pixels)
    assert encoded.dtype == np.int8
    assert (encoded.astype(np.int64) == pixels.astype(np.int64) - 128).all()


@given(
    scale=st.floats(1e-4, 10, allow_nan=False),
    zero_point=st.integers(-128, 127),
    real=st.floats(-1000, 1000, allow_nan=False),
)
def test_quantizing_errs_by_half_a_step_or_saturates(scale: float, zero_point: int, real: float) -> None:
    quantization = Quantization(dtype=np.dtype(np.int8), scale=scale, zero_point=zero_point)
    low, high = quantization.real_range() or (0.0, 0.0)
    back = float(quantization.dequantize(quantization.quantize(np.array([real])))[0])
    assert abs(back - min(max(real, low), high)) <= scale * 0.5 * 1.001 + 1e-4


@pytest.mark.parametrize("shape", [(1, 6, 5, 2), (1, None, 5), (1, None, None, 4), (4,)])
def test_what_takes_no_images_of_a_size_is_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(BundleError, match="net does not"):
        ImageInput.of(shape, Quantization(dtype=np.dtype(np.float32)), "net")


@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (1, 1, 2, 2), (1, 2, 2)])
def test_gray_networks_are_given_the_luminance_of_colours(shape: tuple[int, ...]) -> None:
    gray = ImageInput.of(shape, Quantization(dtype=np.dtype(np.float32)), "x")
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]], np.uint8).reshape(1, 2, 2, 3)
    encoded = gray.encode(colours)
    assert encoded.shape == shape
    assert encoded.reshape(-1).tolist() == [76, 150, 29, 90], "as Pillow's convert('L')"
    told = Setup(preprocessing=Preprocessing(channels="bgr"))
    with pytest.raises(BundleError, match="x takes grayscale images, not bgr; omit --channels"):
        ImageInput.of(shape, Quantization(dtype=np.dtype(np.float32)), "x", told)


@pytest.mark.parametrize(
    ("scale", "zero_point", "name"),
    [
        (4.758 / 255, -14, "ImageNet mean and standard deviation"),
        (274.741 / 255, -13, "ImageNet mean subtracted, BGR"),
    ],
)
def test_a_quantization_may_span_standardized_pixels(scale: float, zero_point: int, name: str) -> None:
    quantization = Quantization(dtype=np.dtype(np.int8), scale=scale, zero_point=zero_point)
    found = ImageInput.of((1, 6, 5, 3), quantization, "x")
    assert (name_of(found.preprocessing), found.ground) == (name, "quantized")


def test_a_told_mean_of_three_channels_does_not_fit_one() -> None:
    told = Setup(preprocessing=Preprocessing(mean=(0.1, 0.2, 0.3)))
    with pytest.raises(BundleError, match="x: --mean takes 1 number; got 3"):
        ImageInput.of((1, 6, 5, 1), Quantization(dtype=np.dtype(np.float32)), "x", told)


@pytest.mark.parametrize("count", [0, 1, 70])
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"channels_first": True},
        {"batch": 1},
        {"batch": 4},
        {"element": "UINT8"},
        {"element": "INT8", "offset": 128},
        {"element": "FLOAT16"},
    ],
    ids=str,
)
def test_onnx_runtime_answers_for_raw_pixels(form: dict[str, Any], count: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    runtime = model_files.load(onnx_file(tmp_path / "net.onnx", **form))
    assert (runtime.name, runtime.input_shape, runtime.classes) == ("onnxruntime", (6, 5, 3), CLASSES)
    answers = runtime.predict(images(count))
    assert answers.shape == (count, CLASSES)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, expected(images(count)), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 70])
@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
def test_litert_answers_for_raw_pixels(kind: str, count: int, tflite_files: dict[str, Path]) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT runs it")
    runtime = model_files.load(tflite_files[kind])
    assert (runtime.name, runtime.input_shape, runtime.classes) == ("litert", (6, 5, 3), CLASSES)
    answers = runtime.predict(images(count))
    assert answers.shape == (count, CLASSES)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, expected(images(count)), atol=1e-5 if kind == "float32" else 0.02)


def test_a_single_inference_is_the_same_one(tflite_files: dict[str, Path], tmp_path: Path) -> None:
    (image,) = images(1)
    litert = model_files.load(tflite_files["float32"])
    np.testing.assert_allclose(litert.single(image)(), expected(image[np.newaxis]), atol=1e-5)
    onnxruntime = model_files.load(onnx_file(tmp_path / "net.onnx"))
    np.testing.assert_allclose(onnxruntime.single(image)()[0], expected(image[np.newaxis]), atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), "got uint8 [2, 32, 32, 3]; edge_cifar.predict"),
        (np.zeros((2, 6, 5, 3), np.float32), "got float32 [2, 6, 5, 3]; edge_cifar.predict"),
        (np.zeros((6, 5, 3), np.uint8), "got uint8 [6, 5, 3]; add the dimension of a batch with images[None]"),
        ([[0, 0, 0]], "got list; edge_cifar.predict"),
    ],
    ids=["size", "type", "single", "list"],
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_what_predict_takes_is_said_where_it_is_given_something_else(
    kind: str, wrong: Any, got: str, tflite_files: dict[str, Path], tmp_path: Path
) -> None:
    runtime = model_files.load(tflite_files["uint8"] if kind == "tflite" else onnx_file(tmp_path / "net.onnx"))
    taken = "the model takes uint8 images of shape [N, 6, 5, 3], raw RGB from 0 to 255"
    with pytest.raises(BundleError, match=re.escape(f"{taken}; {got}")):
        runtime.predict(wrong)


def test_predict_documents_what_it_takes_in_every_runtime() -> None:
    for runtime in (CoreML, KerasRuntime, LiteRT, OnnxRuntime, ReferenceRuntime):
        assert "uint8 ``[N, H, W, 3]`` in 0..255" in (runtime.predict.__doc__ or "")


def test_keras_is_the_baseline(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the model file is made with Keras")
    import keras

    image = keras.Input((6, 5, 3))
    dense = keras.layers.Dense(CLASSES, activation="softmax", use_bias=False)
    model = keras.Model(image, dense(keras.layers.GlobalAveragePooling2D()(image)))
    dense.set_weights([WEIGHTS / 64])
    model.save(tmp_path / "net.keras")
    runtime = model_files.load(tmp_path / "net.keras")
    assert (runtime.name, runtime.input_shape, runtime.classes) == ("keras", (6, 5, 3), CLASSES)
    for count in (0, 1, 300):
        np.testing.assert_allclose(runtime.predict(images(count)), expected(images(count)), atol=1e-5)
    np.testing.assert_allclose(runtime.single(images(1)[0])(), expected(images(1)), atol=1e-5)
    with pytest.raises(BundleError, match=r"got uint8 \[6, 5, 3\]; add the dimension of a batch"):
        runtime.predict(images(1)[0])


@pytest.mark.parametrize("damage", ["empty", "text", "noise", "truncated"])
@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".keras"])
def test_a_damaged_file_is_one_sentence(
    suffix: str, damage: str, tflite_files: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / f"net{suffix}"
    whole = tflite_files["int8"].read_bytes() if suffix == ".tflite" else onnx_file(tmp_path / "w.onnx").read_bytes()
    contents = {
        "empty": b"",
        "text": b"no model at all\n" * 100,
        "noise": np.random.default_rng(0).bytes(5000),
        "truncated": whole[: len(whole) // 2],
    }
    path.write_bytes(contents[damage])
    with pytest.raises(BundleError) as caught:
        model_files.load(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_with_two_outputs_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the model file is made with onnx")
    model = onnx.load(onnx_file(tmp_path / "net.onnx"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", CLASSES]))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(BundleError, match=r"has 2 outputs \(answer, logits\); name the one with the class scores"):
        model_files.load(tmp_path / "two.onnx")


def test_a_missing_file_and_a_strange_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model file at"):
        model_files.load(tmp_path / "absent.onnx")
    with pytest.raises(UsageError, match=r"its name must end in \.h5, \.hdf5, \.keras, \.mlpackage, \.onnx, \.tflite"):
        model_files.load(tmp_path / "letter.txt")


def test_a_runtime_that_is_not_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edge_cifar import packages

    monkeypatch.setattr(packages, "installed", lambda module: False)
    with pytest.raises(RuntimeUnavailable, match=r'pip install "edge-cifar\[device\]"'):
        model_files.runtime_for(tmp_path / "x.tflite")


def test_devices_come_before_references() -> None:
    kinds = [module.DEVICE for _, module in formats.runtimes()]
    assert kinds == sorted(kinds, reverse=True)
