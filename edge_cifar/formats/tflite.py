"""TensorFlow Lite (LiteRT): flatbuffers for phones and Raspberry Pis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_cifar.formats import Format
from edge_cifar.model_options import ModelOptions
from edge_cifar.precision import Precision, by_name

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


def _stated(path: Path) -> ModelOptions:
    from edge_cifar.runtimes import stated

    return stated.by_tflite(path)


FORMAT = Format(
    name="tflite",
    suffixes=(".tflite",),
    marker="circle",
    colour="#0072B2",
    precisions=by_name(
        Precision("fp32", "float32 weights and activations", default=True),
        Precision(
            "fp16",
            "float16 weights, half the size; computed in float32 on CPUs",
            weight_bits=16,
            default=True,
            rounded=True,
        ),
        Precision(
            "dynamic",
            "8-bit weights, activations quantized at run time; slow on depthwise networks",
            weight_bits=8,
            rounded=True,
        ),
        Precision(
            "int8",
            "8-bit per-channel weights, calibrated 8-bit activations; 8-bit input and output",
            weight_bits=8,
            default=True,
            calibration="ranges",
            selective=True,
            rounded=True,
            quantized=True,
        ),
        Precision(
            "int8-qat", "int8 after quantization-aware training of weights and ranges", weight_bits=8, quantized=True
        ),
        Precision(
            "int16x8",
            "8-bit weights, calibrated 16-bit activations; for DSPs, slow on CPUs",
            weight_bits=8,
            calibration="ranges",
            rounded=True,
            quantized=True,
            symmetric="all",
        ),
    ),
    packages=("ai_edge_litert", "flatbuffers"),
    usage="""Android: LiteRT. Raspberry Pi or PC: the Python package `ai-edge-litert`. The input is float32 RGB in
0..255. `int8` and `int8-qat` take uint8 pixels and output uint8 probabilities; divide those by 256.""",
    converter=_converter,
    runtimes={"litert": _litert},
    reader=_reader,
    stated=_stated,
)
