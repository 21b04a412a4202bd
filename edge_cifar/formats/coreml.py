"""Core ML: ``.mlpackage`` programs for iPhones and Macs, written and checked on any system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format
from edge_cifar.precision import Precision, by_name

if TYPE_CHECKING:
    from edge_cifar.converters import Converter
    from edge_cifar.readers import Reader
    from edge_cifar.runtimes import RuntimeModule


def _converter() -> Converter:
    from edge_cifar.converters import coreml

    return coreml


def _coreml() -> RuntimeModule:
    from edge_cifar.runtimes import coreml

    return coreml


def _reference() -> RuntimeModule:
    from edge_cifar.runtimes import coreml_reference

    return coreml_reference


def _reader() -> Reader:
    from edge_cifar.readers import coreml

    return coreml


def _deployment_target(precision: str, named: str | None) -> str:
    from edge_cifar.converters import coreml

    return coreml.target(precision, named)


FORMAT = Format(
    name="coreml",
    suffixes=(".mlpackage",),
    marker="diamond",
    colour="#009E73",
    precisions=by_name(
        Precision("fp32", "float32 weights and activations; does not run on the Neural Engine", default=True),
        Precision(
            "fp16",
            "float16 weights and activations, the native precision of Apple's processors",
            weight_bits=16,
            default=True,
            rounded=True,
        ),
        Precision(
            "int8",
            "8-bit per-channel weights, calibrated 8-bit activations; iOS 17 or later",
            weight_bits=8,
            calibration="ranges",
            rounded=True,
            quantized=True,
            symmetric="signed",
            shared_units=True,
        ),
        Precision("w8", "8-bit per-channel weights, float16 activations", weight_bits=8, default=True, rounded=True),
        Precision(
            "w6",
            "weights from 64-entry palettes, bias-corrected; float16 activations",
            weight_bits=6,
            calibration="means",
            rounded=True,
        ),
        Precision(
            "w4",
            "4-bit block-quantized weights from iOS 18 on, 16-entry palettes before that, bias-corrected",
            weight_bits=4,
            calibration="means",
            rounded=True,
        ),
    ),
    packages=("coremltools",),
    usage="""Drag the package into an Xcode project. It takes an image and outputs labels, so Vision's
`VNCoreMLRequest` can crop and scale camera frames for it. `deployment_target` in `manifest.json` is the oldest
supported system.""",
    converter=_converter,
    runtimes={"coreml": _coreml, "coreml-reference": _reference},
    reader=_reader,
    deployment_target=_deployment_target,
)
