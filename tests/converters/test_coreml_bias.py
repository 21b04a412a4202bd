"""Biases of Core ML programs that make up for the mean error of weights in few bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import LABELS, calibration

from edge_cifar.converters import _coreml_bias, _coreml_observed, coreml
from edge_cifar.errors import BundleError
from edge_cifar.processes import output_capture
from edge_cifar.readers import coreml as contents
from edge_cifar.runtimes import coreml_reference

pytest.importorskip("tensorflow", reason="the models are Keras models")
coremltools = pytest.importorskip("coremltools", reason="the programs are compressed by coremltools")


def network(kind: str) -> Any:
    """One layer with weights enough to be compressed, on raw pixels, and a linear answer."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    if kind == "dense":
        x = layers.Dense(10, bias_initializer="normal")(layers.Flatten()(x))
    else:
        if kind == "depthwise":
            x = layers.DepthwiseConv2D(5, depth_multiplier=64, bias_initializer="normal")(x)
        else:
            x = layers.Conv2D(192, 5, bias_initializer="zeros" if kind == "convolution without bias" else "normal")(x)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(10)(x)
    return keras.Model(image, layers.Softmax()(x))


@pytest.mark.parametrize("precision", ["w4", "w6"])
@pytest.mark.parametrize("kind", ["convolution", "convolution without bias", "depthwise", "dense"])
def test_the_mean_of_each_output_is_that_of_the_exact_weights(kind: str, precision: str) -> None:
    with output_capture.captured():
        program = coreml._program(coremltools, network(kind), "fp16", "iOS16", LABELS)
        exact = _coreml_observed.observe(program, calibration())
        plain = coreml._compressed(coremltools, program, precision, 16)
        corrected = _coreml_bias.corrected(plain, program, exact)
        seen = {
            name: _coreml_observed.observe(one, calibration()) for name, one in (("as is", plain), ("ours", corrected))
        }
    # The output of the one operation that was compressed: the first whose means are not the exact ones.
    first = next(value for value in exact.means if not np.array_equal(exact.means[value], seen["as is"].means[value]))
    wrong = {name: np.abs(observed.means[first] - exact.means[first]).max() for name, observed in seen.items()}
    # What is left is the rounding of a bias to half precision.
    assert wrong["ours"] < 0.2 * wrong["as is"]
    assert wrong["ours"] < 1e-3


@pytest.mark.parametrize(
    "told",
    ["[1, -1]", "[0, 1, 2]", "[0, null]", "NaN", "[0, Infinity]", "zero", "{}", "[0, 1" + "0" * 400 + "]", "[" * 9999],
)
def test_means_that_make_no_sense_are_damage(told: str, tmp_path: Path) -> None:
    with output_capture.captured():
        program = coreml._program(coremltools, network("dense"), "fp16", "iOS16", LABELS)
        program.user_defined_metadata[coreml_reference.INPUT_MEANS] = told
        program.save(str(tmp_path / "odd.mlpackage"))
    with pytest.raises(BundleError, match="is damaged"):
        contents.network(tmp_path / "odd.mlpackage")
