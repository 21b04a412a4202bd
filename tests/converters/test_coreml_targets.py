"""Core ML's systems: what each can hold, and quantized activations from the first that can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import LABELS, calibration, network, pictures

from edge_cifar import formats
from edge_cifar.converters import Options, coreml
from edge_cifar.errors import UsageError
from edge_cifar.runtimes import coreml_reference
from edge_cifar.runtimes import keras as keras_runtime

PRECISIONS = formats.get("coreml").precisions


def convert(precision: str, folder: Path, options: Options) -> tuple[Any, Path, dict[str, Any]]:
    model = network()
    path = folder / f"coreml-{precision}.mlpackage"
    facts = coreml.convert(
        model, PRECISIONS[precision], labels=LABELS, calibration=calibration(), metadata={}, path=path, options=options
    )
    return model, path, facts.to_json()


@pytest.mark.parametrize(
    ("precision", "named", "chosen"),
    [
        ("fp16", None, "iOS16"),
        ("int8", None, "iOS17"),
        ("fp32", "iOS15", "iOS15"),
        ("int8", "macOS14", "macOS14"),
        ("w4", "iOS18", "iOS18"),
    ],
)
def test_the_target_is_the_named_one_or_the_first_that_will_do(precision: str, named: str | None, chosen: str) -> None:
    assert coreml.target(precision, named) == chosen


@pytest.mark.parametrize(
    ("precision", "named", "message"),
    [
        ("w8", "iOS15", r"coreml-w8 requires iOS16 \(macOS13\) or newer, not iOS15"),
        ("int8", "macOS13", r"coreml-int8 requires iOS17 \(macOS14\) or newer, not macOS13"),
        ("fp16", "ios17", "did you mean 'iOS17'"),
    ],
)
def test_a_system_too_old_or_unknown_is_refused(precision: str, named: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        coreml.target(precision, named)


def test_int8_quantizes_activations_and_stays_close(tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="Core ML needs coremltools")
    model, path, facts = convert("int8", tmp_path, Options())
    operations = coreml_reference.operations(path)
    # Before the first convolution and behind each of the two.
    assert operations.count("quantize") >= 3
    assert operations.count("dequantize") >= operations.count("quantize")
    assert facts["deployment_target"] == "iOS17"
    assert facts["calibration"]["images"] == 32
    assert facts["calibration"]["bias_correction"] is False
    images = pictures(60, seed=3)
    answers = coreml_reference.load(path).predict(images)
    expected = keras_runtime.of_model(model).predict(images)
    assert 1e-4 < np.abs(answers - expected).max() < 0.25
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9


def test_four_bits_are_blocks_of_integers_from_ios_18_on(tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="Core ML needs coremltools")
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(64, 3, strides=4, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(64, 1, activation="relu")(x))
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))
    used = {}
    for system in ("iOS16", "iOS18"):
        path = tmp_path / f"{system}.mlpackage"
        coreml.convert(
            model,
            PRECISIONS["w4"],
            labels=LABELS,
            calibration=calibration(),
            metadata={},
            path=path,
            options=Options(deployment_target=system),
        )
        specification = (path / "Data" / "com.apple.CoreML" / "model.mlmodel").read_bytes()
        used[system] = {
            kind for kind in (b"constexpr_lut_to_dense", b"constexpr_blockwise_shift_scale") if kind in specification
        }
        answers = coreml_reference.load(path).predict(pictures(20))
        assert np.abs(answers - keras_runtime.of_model(model).predict(pictures(20))).max() < 0.05
    assert used == {"iOS16": {b"constexpr_lut_to_dense"}, "iOS18": {b"constexpr_blockwise_shift_scale"}}
