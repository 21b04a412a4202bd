"""What was asked of an export, as a variant's converter is told it."""

from __future__ import annotations

from pathlib import Path

from edge_cifar.converters import Options
from edge_cifar.export.conversion import converter_options
from edge_cifar.export.options import ExportOptions
from edge_cifar.variant import Variant

ASKED = ExportOptions(keep_float=("wild",), deployment_target="iOS18")


def test_layers_stay_in_floats_where_the_precision_can_leave_them() -> None:
    int8 = converter_options(ASKED, Variant("onnx", "int8"))
    assert int8 == Options(keep_float=("wild",), deployment_target="iOS18")
    assert converter_options(ASKED, Variant("onnx", "int8-pruned50")) == int8
    assert converter_options(ASKED, Variant("onnx", "fp16")) == Options(deployment_target="iOS18")


def test_layers_that_are_searched_for_are_not_named_to_the_converter() -> None:
    assert converter_options(ExportOptions(keep_float=("auto",)), Variant("onnx", "int8")) == Options()


def test_what_quantization_aware_training_left_is_handed_on() -> None:
    trained = Path("network.tflite")
    assert converter_options(ExportOptions(), Variant("tflite", "int8-qat"), trained) == Options(trained=trained)
