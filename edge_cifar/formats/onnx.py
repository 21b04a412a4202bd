"""ONNX: graphs for ONNX Runtime and whatever else reads the format."""

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
    from edge_cifar.converters import onnx

    return onnx


def _onnxruntime() -> RuntimeModule:
    from edge_cifar.runtimes import onnxruntime

    return onnxruntime


def _reader() -> Reader:
    from edge_cifar.readers import onnx

    return onnx


def _companions(path: Path) -> tuple[Path, ...]:
    from edge_cifar.runtimes import onnxruntime

    return onnxruntime.beside(path)


def _overflow(path: Path) -> str | None:
    from edge_cifar.readers import onnx

    return onnx.overflow(path)


def _stated(path: Path) -> ModelOptions:
    from edge_cifar.runtimes import stated

    return stated.by_onnx(path)


FORMAT = Format(
    name="onnx",
    suffixes=(".onnx",),
    marker="square",
    colour="#D55E00",
    precisions=by_name(
        Precision("fp32", "float32 weights and activations", default=True),
        Precision(
            "fp16",
            "float16 weights and activations, half the size; slower on CPUs",
            weight_bits=16,
            default=True,
            rounded=True,
        ),
        Precision(
            "dynamic", "8-bit weights, activations quantized at run time; slow on CPUs", weight_bits=8, rounded=True
        ),
        Precision(
            "int8",
            "8-bit per-channel weights, calibrated 8-bit activations (QDQ)",
            weight_bits=8,
            default=True,
            calibration="ranges",
            selective=True,
            rounded=True,
            quantized=True,
        ),
        Precision(
            "int8-qat",
            "int8 after quantization-aware training of the weights",
            weight_bits=8,
            calibration="ranges",
            quantized=True,
        ),
    ),
    packages=("tf2onnx", "onnx", "onnxruntime"),
    calibration_methods=("min-max", "percentile", "entropy"),
    usage="""ONNX Runtime: Python (`onnxruntime`), C++, Java, C# or the browser (`onnxruntime-web`). The input is
float32 RGB in 0..255, with any batch size.""",
    converter=_converter,
    runtimes={"onnxruntime": _onnxruntime},
    reader=_reader,
    stated=_stated,
    companions=_companions,
    overflow=_overflow,
)
