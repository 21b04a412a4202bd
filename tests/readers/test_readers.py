"""Our readers of model files against the packages that write them, and against broken files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.errors import BundleError
from edge_cifar.parity.pairing import pairs
from edge_cifar.readers import Network, coreml, onnx, tflite, wired
from edge_cifar.readers._onnx_network import _along
from edge_cifar.variant import Variant

MODULES: dict[str, Any] = {"tflite": tflite, "onnx": onnx, "coreml": coreml}


def artifact(bundle: Bundle, variant: str) -> Path:
    return next(one.path for one in bundle.artifacts if str(one.variant) == variant)


def test_onnx_constants_are_those_that_the_onnx_package_reads(tiny_bundle: Bundle) -> None:
    package = pytest.importorskip("onnx")
    for precision in ("fp32", "fp16"):
        path = artifact(tiny_bundle, f"onnx-{precision}")
        ours = [weight.values for one in onnx.network(path).operations for weight in one.weights.values()]
        floats = [
            package.numpy_helper.to_array(tensor)
            for tensor in package.load(path).graph.initializer
            if tensor.data_type in (1, 10)
        ]
        assert len(ours) == len(floats) > 20

        def sorted_by_content(arrays: list[np.ndarray]) -> list[tuple[str, list[float]]]:
            return sorted((array.dtype.name, np.sort(array.ravel()).tolist()) for array in arrays)

        assert sorted_by_content(ours) == sorted_by_content(floats)


def test_onnx_settings_are_those_that_the_onnx_package_reads(tiny_bundle: Bundle) -> None:
    package = pytest.importorskip("onnx")
    path = artifact(tiny_bundle, "onnx-fp32")
    theirs = [node for node in package.load(path).graph.node if node.op_type == "Conv"]
    ours = [one for one in onnx.network(path).operations if one.kind == "Conv"]
    assert len(ours) == len(theirs) == 9
    for node, one in zip(theirs, ours, strict=True):
        given = {item.name: package.helper.get_attribute_value(item) for item in node.attribute}
        assert one.settings.get("strides", (1, 1)) == tuple(given["strides"])
        assert one.settings.get("pads", (0, 0, 0, 0)) == tuple(given["pads"])
        assert "group" not in one.settings


def test_tflite_options_are_those_that_tensorflow_reads(tiny_bundle: Bundle) -> None:
    utils = pytest.importorskip("tensorflow.lite.tools.flatbuffer_utils")
    path = artifact(tiny_bundle, "tflite-fp32")
    model = utils.convert_bytearray_to_object(bytearray(path.read_bytes()))
    theirs = [one.builtinOptions for one in model.subgraphs[0].operators if hasattr(one.builtinOptions, "strideW")]
    ours = [one.settings for one in tflite.network(path).operations if one.kind == "CONV_2D"]
    assert len(ours) == len(theirs) == 9
    activations = ("none", "RELU", "RELU_N1_TO_1", "RELU6")
    for options, settings in zip(theirs, ours, strict=True):
        assert settings["stride (width)"] == options.strideW
        assert settings["stride (height)"] == options.strideH
        assert settings.get("padding", "SAME") == ("SAME", "VALID")[options.padding]
        assert settings.get("fused activation", "none") == activations[options.fusedActivationFunction]


def test_tflite_constants_are_those_that_litert_reads(tiny_bundle: Bundle) -> None:
    module = pytest.importorskip("ai_edge_litert.interpreter")
    path = artifact(tiny_bundle, "tflite-int8")
    interpreter = module.Interpreter(model_path=str(path))
    theirs = {}
    for details in interpreter.get_tensor_details():
        scales = details["quantization_parameters"]["scales"]
        try:
            stored = interpreter.get_tensor(details["index"])
        except ValueError:
            continue  # not a constant, and nothing is computed yet
        if len(scales) and stored.ndim == 4:
            axis = details["quantization_parameters"]["quantized_dimension"]
            shape = [-1 if place == axis else 1 for place in range(4)] if len(scales) > 1 else [1] * 4
            theirs[details["name"]] = stored.astype(np.float64) * scales.reshape(shape)
    weights = [weight for one in tflite.network(path).operations for weight in one.weights.values()]
    kernels = [weight for weight in weights if weight.values.ndim == 3]
    assert len(kernels) == 9
    for kernel in kernels:
        sums = [np.sort(array.ravel()) for array in theirs.values() if array.size == kernel.values.size]
        assert any(np.allclose(np.sort(kernel.values.ravel()), one, atol=1e-7) for one in sums)


@pytest.mark.parametrize("format_", MODULES)
def test_every_precision_has_the_operations_and_constants_of_fp32(tiny_bundle: Bundle, format_: str) -> None:
    found = {
        one.variant.precision: MODULES[format_].network(one.path)
        for one in tiny_bundle.artifacts
        if one.variant.format == format_
    }
    exact = found.pop("fp32")
    # Nine convolutions with their biases, a dense layer with its own, a scale and a shift of the pixels.
    assert sum(len(one.weights) for one in exact.operations) == 22
    assert found
    for precision, given in found.items():
        paired = pairs(Variant(format_, "fp32"), exact, given)
        assert len(paired) == len(given.operations), precision
        constants = sum(len(pair.exact.weights) for pair in paired)
        # A factor of the pixels may have gone into the first kernel.
        assert constants == 22 or (constants, format_, precision) == (21, "tflite", "int8")


@pytest.mark.parametrize("variant", ["tflite-fp32", "tflite-int8", "onnx-fp16", "onnx-int8", "coreml-fp16"])
def test_values_on_the_way_end_in_the_probabilities(tiny_bundle: Bundle, variant: str) -> None:
    module, path = MODULES[variant.partition("-")[0]], artifact(tiny_bundle, variant)
    reference = Reference.read(tiny_bundle.reference_path).first(1)
    sources = module.sources(path)
    told: dict[str, np.ndarray] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.observe(path, reference.images, lambda _, name, value: told.__setitem__(name, value.copy()))
    assert set(told) <= set(sources)
    assert len(told) > 15
    assert all(value.dtype == np.float32 and len(value) == 1 for value in told.values())
    answers = [value for value in told.values() if value.size == 10 and abs(value.sum() - 1) < 0.02]
    assert min(abs(answer.reshape(-1) - reference.probabilities[0]).max() for answer in answers) < 0.1


def test_constants_alone_are_no_values_on_the_way():
    found = wired(["image"], [(["weight"], ["halved"]), (["image", "halved"], ["x"]), (["x", "image"], ["y"])])
    assert found == {"image": (), "x": ("image",), "y": ("x", "image")}


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_a_mutated_file_is_read_or_refused_in_one_sentence(tiny_bundle: Bundle, tmp_path: Path, variant: str) -> None:
    """No traceback, and no memory beyond the file's own size times a few."""
    original = artifact(tiny_bundle, variant)
    module, content = MODULES[variant.partition("-")[0]], original.read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / original.name
    refusals = []
    for number in range(300):
        mutant = bytearray(content)
        if number % 3 == 0:
            del mutant[int(generator.integers(len(mutant))) :]
        for _ in range(int(generator.integers(1, 40))):
            if mutant:
                # Most of a file is weights; its structure is at its ends.
                near = int(generator.integers(min(len(mutant), 4000)))
                place = near if generator.random() < 0.5 else -1 - near
                mutant[place] = int(generator.integers(256))
        path.write_bytes(mutant)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = module.network(path)
                module.sources(path)
        except BundleError as error:
            refusals.append(str(error))
        else:
            assert isinstance(network, Network)
    assert len(refusals) > 50
    assert not any("\n" in refusal for refusal in refusals)
    assert all(re.fullmatch(rf"{re.escape(str(path))} is damaged \(.+\); export it again", one) for one in refusals)


def test_scales_that_fit_no_axis_are_refused_before_they_take_all_memory() -> None:
    with pytest.raises(BundleError, match=r"shape \[1, 10\] has 9 scales"):
        _along(1, np.zeros(9), np.zeros((1, 10)))
