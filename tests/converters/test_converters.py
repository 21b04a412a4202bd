"""Every cell of the export matrix, on a network with what converters trip over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.export import LABELS, calibration, network, pictures

from edge_cifar import formats, model_files
from edge_cifar.errors import ConversionError
from edge_cifar.runtimes import Probabilities
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.storage import files
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")

MATRIX = [
    variant
    for name in formats.exported()
    for precision in formats.get(name).precisions
    # Not converted from a model: its file comes out of a training (see test_retraining.py).
    if (variant := Variant(name, precision)) != Variant("tflite", "int8-qat")
]
# Largest difference of a probability. The network is untrained and its logits are wide, which
# magnifies rounding; a wrong preprocessing or batch norms in training mode cost more than 0.3.
TOLERANCE = {"fp32": 1e-5, "fp16": 2e-2, "int16x8": 0.1, "w8": 0.1}
LOOSE = 0.25
METADATA = {"description": "a test", "model": "stand-in", "variant": "x"}


@pytest.fixture(scope="module")
def model() -> Any:
    return network()


@pytest.fixture(scope="module")
def expected(model: Any) -> Probabilities:
    return keras_runtime.of_model(model).predict(pictures(40))


@pytest.fixture(scope="module")
def written(model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, tuple[Path, dict[str, Any]]]:
    """Each variant is converted once, when it is first asked for."""
    folder = tmp_path_factory.mktemp("artifacts")

    class Cells(dict[Variant, tuple[Path, dict[str, Any]]]):
        def __missing__(self, variant: Variant) -> tuple[Path, dict[str, Any]]:
            format_ = formats.get(variant.format)
            for package in format_.packages:
                pytest.importorskip(package, reason=f"{variant.format} needs {package}")
            path = folder / f"{variant}{format_.suffix}"
            self[variant] = path, convert(model, variant, path)
            return self[variant]

    return Cells()


def convert(model: Any, variant: Variant, path: Path) -> dict[str, Any]:
    format_ = formats.get(variant.format)
    precision = format_.precisions[variant.precision]
    record = format_.converter().convert(
        model, precision, labels=LABELS, calibration=calibration(), metadata=METADATA, path=path
    )
    return record.to_json()


@pytest.mark.parametrize("variant", MATRIX, ids=str)
def test_agrees_with_keras_on_raw_pixels(
    variant: Variant, written: dict[Variant, tuple[Path, dict[str, Any]]], expected: Probabilities
) -> None:
    path, facts = written[variant]
    runtime = model_files.load(path)
    assert runtime.input_shape == (32, 32, 3)
    answers = runtime.predict(pictures(40))
    assert np.abs(answers - expected).max() <= TOLERANCE.get(variant.precision, LOOSE)
    json.dumps(facts, allow_nan=False)
    assert facts["input"]["range"] == [0, 255]
    looked_at_images = formats.get(variant.format).precisions[variant.precision].calibration is not None
    assert (facts["calibration"] is not None) == looked_at_images


@pytest.mark.parametrize("variant", MATRIX, ids=str)
def test_is_smaller_than_fp32(variant: Variant, written: dict[Variant, tuple[Path, dict[str, Any]]]) -> None:
    # The network is so small that a file's tables weigh more than its weights; so only never much larger.
    full = files.size_bytes(written[Variant(variant.format, "fp32")][0])
    assert files.size_bytes(written[variant][0]) < 2.5 * full


@pytest.mark.parametrize("name", formats.exported())
def test_the_same_model_gives_the_same_bytes(
    name: str, model: Any, written: dict[Variant, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    format_ = formats.get(name)
    variant = Variant(name, format_.defaults[-1])
    again = tmp_path / f"again{format_.suffix}"
    first, _ = written[variant]
    convert(model, variant, again)
    assert files.sha256(again) == files.sha256(first)


def test_tflite_int8_takes_and_gives_bytes(written: dict[Variant, tuple[Path, dict[str, Any]]]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path, facts = written[Variant("tflite", "int8")]
    interpreter = Interpreter(model_path=str(path))
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == np.uint8
    assert given["quantization"] == (1.0, 0)
    assert answer["dtype"] == np.uint8
    assert answer["quantization"] == (1 / 256, 0)
    assert (facts["input"]["scale"], facts["input"]["zero_point"]) == (1.0, 0)
    assert facts["calibration"]["images"] == 32


def test_tflite_holds_its_labels(written: dict[Variant, tuple[Path, dict[str, Any]]]) -> None:
    from tensorflow.lite.tools import flatbuffer_utils

    path, _ = written[Variant("tflite", "fp32")]
    model = flatbuffer_utils.read_model(str(path))
    held = {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    assert json.loads(held["labels"]) == list(LABELS)
    assert held["model"] == b"stand-in"


@pytest.mark.parametrize("precision", formats.get("onnx").precisions)
def test_onnx_is_clean(precision: str, written: dict[Variant, tuple[Path, dict[str, Any]]]) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX files are looked into with onnx")
    path, facts = written[Variant("onnx", precision)]
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    operations = [node.op_type for node in graph.graph.node]
    assert "BatchNormalization" not in operations
    # One is left, from the images' order of channels to that of convolutions.
    assert operations.count("Transpose") == 1
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] == facts["opset"]
    assert {entry.domain for entry in graph.opset_import} <= {node.domain for node in graph.graph.node} | {""}
    held = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(held["labels"]) == list(LABELS)


def test_onnx_int8_is_unsigned_activations_with_signed_weights_per_channel(
    written: dict[Variant, tuple[Path, dict[str, Any]]],
) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX files are looked into with onnx")
    graph = onnx.load(written[Variant("onnx", "int8")][0]).graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    zero_points = {node.op_type: [] for node in graph.node}
    for node in graph.node:
        if len(node.input) == 3 and node.input[2] in initializers:
            zero_points[node.op_type].append(initializers[node.input[2]])
    assert {tensor.data_type for tensor in zero_points["QuantizeLinear"]} == {onnx.TensorProto.UINT8}
    weights = [tensor for tensor in zero_points["DequantizeLinear"] if tensor.data_type == onnx.TensorProto.INT8]
    assert weights
    assert any(list(tensor.dims) == [8] for tensor in weights)


def test_onnx_dynamic_leaves_depthwise_convolutions_in_floats(
    written: dict[Variant, tuple[Path, dict[str, Any]]],
) -> None:
    # They hold few weights.
    onnx = pytest.importorskip("onnx", reason="reads the graph")
    nodes = onnx.load(written[Variant("onnx", "dynamic")][0]).graph.node
    groups = [
        attribute.i
        for node in nodes
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    assert groups == [8], "the depthwise one alone"
    assert [node.op_type for node in nodes].count("ConvInteger") == 1


def test_coreml_is_an_image_classifier_with_its_labels(written: dict[Variant, tuple[Path, dict[str, Any]]]) -> None:
    from edge_cifar.processes import output_capture

    pytest.importorskip("coremltools", reason="packages are looked into with coremltools")
    with output_capture.captured():
        import coremltools
    path, facts = written[Variant("coreml", "fp16")]
    with output_capture.captured():
        specification = coremltools.utils.load_spec(str(path))
    description = specification.description
    (image,) = description.input
    assert image.name == "image"
    assert (image.type.imageType.width, image.type.imageType.height) == (32, 32)
    assert description.predictedFeatureName == "classLabel"
    assert description.predictedProbabilitiesName == facts["output"]["name"]
    held = description.metadata.userDefined
    assert json.loads(held["labels"]) == list(LABELS)
    assert description.metadata.shortDescription == "a test"
    assert not any("conversion_date" in key for key in held)


def test_nothing_reaches_the_terminal(model: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in formats.exported():
        convert(model, Variant(name, "fp32"), tmp_path / f"x{formats.get(name).suffix}")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize("name", ["tflite", "onnx", "coreml"])
def test_an_operation_that_a_format_lacks_is_one_sentence_that_names_it(name: str, tmp_path: Path) -> None:
    import keras
    import tensorflow

    image = keras.Input((8, 8, 3))
    # No format has a Bessel function.
    odd = keras.layers.Lambda(lambda x: tensorflow.math.special.bessel_i0(x), name="odd")(image)
    answer = keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(odd))
    path = tmp_path / "x"
    with pytest.raises(ConversionError) as caught:
        convert(keras.Model(image, answer), Variant(name, "fp32"), path)
    assert "\n" not in str(caught.value)
    assert "bessel" in str(caught.value).lower()
    assert "because of layer 'odd'" in str(caught.value)
    assert not list(tmp_path.iterdir())
