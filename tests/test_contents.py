"""Our readers of model files against the packages that write them, and against broken files."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar.artifact import Bundle
from edge_cifar.contents import Weight, coreml, onnx, tflite, wired
from edge_cifar.errors import BundleError
from edge_cifar.reference import Reference

MODULES: dict[str, Any] = {"tflite": tflite, "onnx": onnx, "coreml": coreml}


def artifact(bundle: Bundle, variant: str) -> Path:
    return next(one.path for one in bundle.artifacts if str(one.variant) == variant)


def test_onnx_constants_are_those_that_the_onnx_package_reads(tiny_bundle: Bundle) -> None:
    package = pytest.importorskip("onnx")
    for precision in ("fp32", "fp16"):
        path = artifact(tiny_bundle, f"onnx-{precision}")
        ours = onnx.weights(path)
        floats = {
            tensor.name: package.numpy_helper.to_array(tensor)
            for tensor in package.load(path).graph.initializer
            if tensor.data_type in (1, 10)
        }
        assert set(ours) == set(floats)
        for name, array in floats.items():
            assert ours[name].values.dtype == array.dtype
            np.testing.assert_array_equal(ours[name].values.reshape(array.shape), array)


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
    kernels = [weight for name, weight in tflite.weights(path).items() if weight.values.ndim == 3]
    assert len(kernels) == 9
    for kernel in kernels:
        sums = [np.sort(array.ravel()) for array in theirs.values() if array.size == kernel.values.size]
        assert any(np.allclose(np.sort(kernel.values.ravel()), one, atol=1e-7) for one in sums)


@pytest.mark.parametrize("format_", MODULES)
def test_constants_go_by_the_same_names_at_every_precision(tiny_bundle: Bundle, format_: str) -> None:
    found = {
        one.variant.precision: MODULES[format_].weights(one.path)
        for one in tiny_bundle.artifacts
        if one.variant.format == format_
    }
    exact = found.pop("fp32")
    # Nine convolutions with their biases, a dense layer with its own, a scale and a shift of the pixels.
    assert len(exact) == 22
    # Only Core ML's compression corrects the bias of a dense layer.
    assert sum(weight.shifts is not None for weight in exact.values()) == (10 if format_ == "coreml" else 9)
    for weights in found.values():
        # What int8 adds stands beside them; a factor of the pixels may have gone into the first kernel.
        assert {name for name in exact if exact[name].values.size > 1} <= set(weights)
        assert all(weights[name].values.shape == exact[name].values.shape for name in set(exact) & set(weights))


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
                weights = module.weights(path)
                module.sources(path)
        except BundleError as error:
            refusals.append(str(error))
        else:
            assert all(isinstance(weight, Weight) for weight in weights.values())
    assert len(refusals) > 50
    assert not any("\n" in refusal for refusal in refusals)
    assert all(re.fullmatch(rf"{re.escape(str(path))} is damaged \(.+\); export it again", one) for one in refusals)


def test_every_format_that_is_exported_can_be_looked_into():
    import edge_cifar.contents
    import edge_cifar.converters
    from edge_cifar import plugins

    assert plugins.names(edge_cifar.contents) == plugins.names(edge_cifar.converters)
    for name in plugins.names(edge_cifar.contents):
        module = importlib.import_module(f"edge_cifar.contents.{name}")
        assert all(callable(getattr(module, what)) for what in ("weights", "sources", "observe"))
