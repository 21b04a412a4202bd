"""Core ML: ``.mlpackage`` programs for iPhones and Macs, written and checked on any system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format, Precision

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
    precisions={
        "fp32": Precision("weights and activations in 32-bit floats; keeps off the Neural Engine", default=True),
        "fp16": Precision(
            "weights and activations in 16-bit floats, what Apple's processors compute in", default=True, rounded=True
        ),
        "int8": Precision(
            "weights in 8 bits per channel, activations in 8 bits, calibrated; from iOS 17",
            calibration="ranges",
            rounded=True,
            quantized=True,
            symmetric="signed",
            shared_units=True,
        ),
        "w8": Precision("weights in 8 bits per channel, activations in 16-bit floats", default=True, rounded=True),
        "w6": Precision(
            "weights from palettes of 64 values, biases corrected, activations in 16-bit floats",
            calibration="means",
            rounded=True,
        ),
        "w4": Precision(
            "weights in blocks of 4-bit integers from iOS 18, from palettes of 16 values before, biases corrected",
            calibration="means",
            rounded=True,
        ),
    },
    packages=("coremltools",),
    usage="""Drag the package into an Xcode project. It takes an image and answers with labels, so that Vision's
`VNCoreMLRequest` can crop and scale a camera's frames for it; `manifest.json` tells the system it needs, under
`deployment_target`.""",
    converter=_converter,
    runtimes={"coreml": _coreml, "coreml-reference": _reference},
    reader=_reader,
    deployment_target=_deployment_target,
)
