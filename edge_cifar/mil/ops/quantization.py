"""Quantization of activations: between floating point and 8 bits."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import FP16, FP32, INT8, UINT8, Array
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, Operand, along, axis_of
from edge_cifar.mil.program import TensorType

_LEVELS = {"int8": INT8, "uint8": UINT8}


def quantize(inputs: Inputs) -> Kernel:
    """``quantize``: clip(round(input / scale) + zero_point), ties rounded to even."""
    x = inputs.floating("input")
    target = _LEVELS[inputs.choice("output_dtype", tuple(_LEVELS))]
    scale, zero_point = _parameters(inputs, x)
    if not scale.all():
        raise BundleError("its scale is zero")
    return Kernel(
        type=TensorType(target, x.shape),
        run=partial(_quantized, scale=scale, zero_point=zero_point, storage=target.storage),
    )


def dequantize(inputs: Inputs) -> Kernel:
    """``dequantize``: (input - zero_point) scale, in the precision of the scale."""
    x = inputs.operand("input")
    if x.type.element not in (INT8, UINT8):
        raise BundleError(f"its input is of type {x.type.element.name}; expected int8 or uint8")
    scale, zero_point = _parameters(inputs, x)
    element = inputs.type_of("scale").element
    if element not in (FP16, FP32):
        raise BundleError(f"its scale is of type {element.name}; expected fp16 or fp32")
    return Kernel(type=TensorType(element, x.shape), run=lambda x: (x.astype(np.float32) - zero_point) * scale)


def _parameters(inputs: Inputs, x: Operand) -> tuple[Array, Array]:
    """Scale and zero point as float32, set up to be broadcast against the input."""
    scale = inputs.constant("scale").astype(np.float32)
    zero_point = np.zeros((), np.float32)
    if inputs.has("zero_point"):
        zero_point = inputs.constant("zero_point").astype(np.float32)
    axis = axis_of(inputs.integer("axis"), len(x.shape)) if inputs.has("axis") else -1
    for name, values in (("scale", scale), ("zero_point", zero_point)):
        fitting: list[tuple[int, ...]] = [()]
        if inputs.has("axis"):
            fitting.append((x.shape[axis],))
        if values.shape not in fitting:
            raise BundleError(
                f"its {name} of shape {list(values.shape)} does not match an input of shape {list(x.shape)}"
            )
    return along(scale, axis), along(zero_point, axis)


def _quantized(x: Array, *, scale: Array, zero_point: Array, storage: type[np.generic]) -> Array:
    limits = np.iinfo(np.dtype(storage))
    levels = np.rint(x / scale)
    levels += zero_point
    return np.clip(levels, limits.min, limits.max).astype(storage)


OPS: dict[str, Builder] = {"dequantize": dequantize, "quantize": quantize}
