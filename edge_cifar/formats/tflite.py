"""TensorFlow Lite (LiteRT): flatbuffers for phones and Raspberry Pis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format, Precision

if TYPE_CHECKING:
    from edge_cifar.converters import Converter
    from edge_cifar.readers import Reader
    from edge_cifar.runtimes import RuntimeModule


def _converter() -> Converter:
    from edge_cifar.converters import tflite

    return tflite


def _litert() -> RuntimeModule:
    from edge_cifar.runtimes import litert

    return litert


def _reader() -> Reader:
    from edge_cifar.readers import tflite

    return tflite


FORMAT = Format(
    name="tflite",
    suffixes=(".tflite",),
    marker="circle",
    colour="#0072B2",
    precisions={
        "fp32": Precision("weights and activations in 32-bit floats", default=True),
        "fp16": Precision(
            "weights in 16-bit floats, half the size; computed in 32 bits on CPUs", default=True, rounded=True
        ),
        "dynamic": Precision(
            "weights in 8 bits, activations quantized as they come; slow on depthwise networks", rounded=True
        ),
        "int8": Precision(
            "weights in 8 bits per channel, activations in 8 bits, calibrated; takes and gives bytes",
            default=True,
            calibration="ranges",
            selective=True,
            rounded=True,
            quantized=True,
        ),
        "int8-qat": Precision("as int8, the weights and the ranges trained for it first", quantized=True),
        "int16x8": Precision(
            "weights in 8 bits, activations in 16 bits, calibrated; for DSPs, slow on CPUs",
            calibration="ranges",
            rounded=True,
            quantized=True,
            symmetric="all",
        ),
    },
    usage="""On Android with LiteRT; on a Raspberry Pi or a PC with the Python package `ai-edge-litert`. The input is
the picture's RGB values in 0..255, as float32; for `int8` and `int8-qat` the bytes themselves, whose answers are bytes
too: divide them by 256.""",
    converter=_converter,
    runtimes={"litert": _litert},
    reader=_reader,
)
