"""ONNX files that answer alike on every processor: two products of bytes never exceed 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.export import LABELS, pictures
from support.saturating import Order, answers

from edge_cifar import formats, machine
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.subject import Subject
from edge_cifar.converters import Calibration, Options, _onnx_weights
from edge_cifar.converters import onnx as converter
from edge_cifar.converters.shared import bias_correction
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.int8_saturation import LARGEST_PAIR, largest_pair
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.progress import SILENT, Silent
from edge_cifar.readers import onnx as contents
from edge_cifar.steps.bench import measure
from edge_cifar.steps.doctor import doctor
from edge_cifar.steps.predict import predict
from edge_cifar.storage import files
from edge_cifar.variant import Variant

onnx = pytest.importorskip("onnx", reason="the arithmetic is played through on graphs read with onnx")
ORDERS: tuple[Order, ...] = ("channels first", "channels last")
IMAGES = pictures(12, seed=3)


def network() -> Any:
    """A plain, a depthwise and a pointwise convolution, their weights of one sign, and a dense layer."""
    keras = pytest.importorskip("keras", reason="conversion starts from a Keras model")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    positive = keras.initializers.RandomUniform(0.0, 0.3)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    for number, layer in enumerate(
        (
            layers.Conv2D(6, 3, strides=2, padding="same", kernel_initializer=positive, name="plain"),
            layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=positive, name="depthwise"),
            layers.Conv2D(9, 1, kernel_initializer=positive, name="pointwise"),
        )
    ):
        x = layers.ReLU(name=f"relu{number}")(layer(x))
    last = layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=1.5))
    return keras.Model(image, last(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def model() -> Any:
    pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")
    return network()


def write(model: Any, precision: str, path: Path, **options: Any) -> Path:
    calibration = Calibration(images=pictures(40, seed=1), indices=np.arange(40), seed=0)
    given = formats.get("onnx").precisions[precision]
    converter.convert(
        model, given, labels=LABELS, calibration=calibration, metadata={}, path=path, options=Options(**options)
    )
    return path


@pytest.fixture(scope="module")
def plain(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ONNX Runtime's ``quantize_static`` makes of the network with 8-bit weights, as most such files are made."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    folder = tmp_path_factory.mktemp("plain")
    batches = iter([{"image": pictures(40, seed=1).astype(np.float32)}])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            return next(batches, None)

    path = folder / "plain.onnx"
    quantization.quantize_static(
        str(write(model, "fp32", folder / "fp32.onnx")),
        str(path),
        Reader(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return path


def computed(path: Path, order: Order, *, saturating: bool) -> np.ndarray:
    return answers(path, IMAGES.astype(np.float32), order, saturating=saturating)


@pytest.mark.parametrize(
    ("precision", "options"),
    [("int8", {}), ("int8", {"keep_float": ("pointwise",)}), ("int8-qat", {}), ("dynamic", {})],
    ids=["int8", "keep-float", "int8-qat", "dynamic"],
)
def test_what_is_exported_answers_alike_with_sums_of_16_bits(
    precision: str, options: Mapping[str, Any], model: Any, tmp_path: Path
) -> None:
    path = write(model, precision, tmp_path / "x.onnx", **options)
    assert contents.overflow(path) is None
    for order in ORDERS:
        exact = computed(path, order, saturating=False)
        np.testing.assert_array_equal(computed(path, order, saturating=True), exact)
        expected = np.asarray(model(IMAGES.astype(np.float32), training=False))
        assert np.abs(exact - expected).max() < 0.07, "it is the network that was converted"


def test_plainly_quantized_weights_overflow_and_are_named(plain: Path) -> None:
    exact = computed(plain, "channels last", saturating=False)
    for order in ORDERS:
        wrong = computed(plain, order, saturating=True)
        assert np.abs(wrong - exact).max() > 0.1, "the arithmetic must be able to tell"
    found = str(contents.overflow(plain))
    assert "x86 processors without VNNI" in found
    assert "at most 128 is safe" in found


def bundle_of(model: Any, path: Path, folder: Path) -> Bundle:
    images, labels = pictures(60, seed=5), np.arange(60) % 10
    probabilities = np.asarray(model(images.astype(np.float32), training=False))
    reference = folder / "reference.npz"
    Reference(images=images, labels=labels, probabilities=probabilities).write(reference)
    artifact = Artifact(
        path=path,
        variant=Variant("onnx", "int8"),
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=LABELS,
    )
    return Bundle(path=folder, model="x", artifacts=(artifact,), labels=LABELS)


def test_verify_fails_a_file_that_answers_otherwise_elsewhere(model: Any, plain: Path, tmp_path: Path) -> None:
    (outcome,) = verify_bundle(bundle_of(model, plain, tmp_path))
    assert outcome.status == "fail"
    assert "x86 processors without VNNI" in str(outcome.reason)
    assert "export again" in str(outcome.reason)
    (outcome,) = verify_bundle(bundle_of(model, write(model, "int8", tmp_path / "sound.onnx"), tmp_path))
    assert "VNNI" not in str(outcome.reason)


class Said(Silent):
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(("vnni", "warned"), [(False, True), (True, False), (None, False)])
def test_foreign_files_are_warned_of_where_it_matters(
    vnni: bool | None, warned: bool, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "vnni", lambda: vnni)
    picture = tmp_path / "picture.png"
    Image.fromarray(IMAGES[0]).save(picture)
    said = Said()
    predict(plain, picture, progress=said)
    doubts = [line.partition(":")[0] for line in said.lines if "may give wrong results" in line]
    assert doubts == ["plain.onnx may give wrong results on this machine"] * warned


def test_bench_warns_of_foreign_files_and_of_no_sound_one(
    model: Any, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "vnni", lambda: False)
    sound = write(model, "int8", tmp_path / "sound.onnx")
    subjects = [Subject(model="x", path=path) for path in (plain, sound)]
    report = measure(subjects, Protocol(seconds=0.05), None, SILENT)
    (warning,) = [warning for warning in report.warnings if "VNNI" in warning]
    assert warning.startswith("plain.onnx may give wrong results on this machine")
    assert "reduce_range=True" in warning


@pytest.mark.parametrize(("vnni", "told"), [(False, True), (True, False)])
def test_doctor_tells_that_the_processor_has_none(vnni: bool, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {**machine.facts(), "vnni": vnni}
    monkeypatch.setattr(machine, "facts", lambda: facts)
    (finding,) = [finding for finding in doctor().findings if finding.name == ".onnx with onnxruntime"]
    assert ("lacks VNNI" in finding.detail) == told


kernels = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).standard_t(2, (3, 3, 4, 8)).astype(np.float32)
)


@given(kernels, st.floats(1e-20, 1e20))
@settings(deadline=None, max_examples=100)
def test_no_two_rounded_weights_of_a_filter_overflow_and_few_bits_are_given_up(kernel: np.ndarray, size: float) -> None:
    kernel = kernel * np.float32(size)
    steps = _onnx_weights.steps(kernel)
    integers = np.rint(kernel / steps).reshape(-1, 8).T
    assert largest_pair(integers).max() <= LARGEST_PAIR
    assert np.abs(integers).max() <= 127
    # Never coarser than seven bits, and what is finer has two weights that leave no more room.
    assert np.all(steps <= np.abs(kernel).max(axis=(0, 1, 2)) / 64 * (1 + 1e-4))
    assert np.all((largest_pair(integers) >= LARGEST_PAIR - 1) | (np.abs(integers).max(axis=1) == 127))


def test_one_large_weight_keeps_eight_bits_and_zeros_stay() -> None:
    kernel = np.array([[1.0, 1.0, 0.0], [0.001, 1.0, 0.0], [-0.9, 0.0, 0.0]], np.float32)
    steps = _onnx_weights.steps(kernel)
    np.testing.assert_allclose(steps, [1 / 127, 2 / 128, 0], rtol=1e-4)
    np.testing.assert_array_equal(bias_correction.rounded(kernel, _onnx_weights.steps)[:, 2], 0)


def test_a_float_file_has_no_such_products(model: Any, tmp_path: Path) -> None:
    assert contents.overflow(write(model, "fp32", tmp_path / "x.onnx")) is None
