"""Matrix products."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array, count_of
from edge_cifar.mil.ops.elementwise import aligned, broadcast
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel
from edge_cifar.mil.program import TensorType


def linear(inputs: Inputs) -> Kernel:
    """``linear``: x ``[..., D]``, weight ``[O, D]``, bias ``[O]``."""
    x, weight = inputs.floating("x"), inputs.constant("weight")
    if not x.shape or weight.ndim != 2 or weight.shape[1] != x.shape[-1] or weight.dtype != np.float32:
        raise BundleError(f"a weight of shape {list(weight.shape)} does not match an input of shape {list(x.shape)}")
    bias = inputs.constant("bias").astype(np.float32) if inputs.has("bias") else np.zeros(len(weight), np.float32)
    if bias.shape not in ((len(weight),), ()):
        raise BundleError(f"its bias has shape {list(bias.shape)} for {len(weight)} outputs")
    return Kernel(
        type=TensorType(x.type.element, (*x.shape[:-1], len(weight))),
        run=partial(_times_matrix, matrix=weight.T, bias=bias),
        work=count_of(x.shape) * len(weight),
    )


def matmul(inputs: Inputs) -> Kernel:
    """``matmul``: x ``[..., M, K]`` and y ``[..., K, N]``, either stored transposed; other axes are broadcast."""
    x, y = inputs.floating("x"), inputs.floating("y")
    transposed = inputs.flag("transpose_x", False), inputs.flag("transpose_y", False)
    if min(len(x.shape), len(y.shape)) < 2 or x.type.element != y.type.element:
        raise BundleError(f"it cannot multiply {x.type} by {y.type}")
    rows, inner = x.shape[-2:][:: -1 if transposed[0] else 1]
    inner_y, columns = y.shape[-2:][:: -1 if transposed[1] else 1]
    if inner != inner_y:
        raise BundleError(f"it cannot multiply {x.type} by {y.type}: {inner} columns, {inner_y} rows")
    shape = (*broadcast(x.shape[:-2], y.shape[:-2]), rows, columns)
    run: partial[Array]
    if y.constant is not None and y.constant.ndim == 2 and not transposed[0]:
        # One product for all samples instead of one for each.
        matrix = y.constant.T if transposed[1] else y.constant
        run = partial(_times_constant, matrix=matrix)
    else:
        run = partial(_product, transposed=transposed, rank=len(shape))
    return Kernel(type=TensorType(x.type.element, shape), run=run, work=count_of(shape) * inner)


def _times_matrix(x: Array, *, matrix: Array, bias: Array) -> Array:
    product = x.reshape(-1, matrix.shape[0]) @ matrix
    product += bias
    return product.reshape(*x.shape[:-1], matrix.shape[1])


def _times_constant(x: Array, y: Array, *, matrix: Array) -> Array:
    product: Array = x.reshape(-1, matrix.shape[0]) @ matrix
    return product.reshape(*x.shape[:-1], matrix.shape[1])


def _product(x: Array, y: Array, *, transposed: tuple[bool, bool], rank: int) -> Array:
    x, y = aligned(x, rank), aligned(y, rank)
    product: Array = (np.swapaxes(x, -1, -2) if transposed[0] else x) @ (np.swapaxes(y, -1, -2) if transposed[1] else y)
    return product


OPS: dict[str, Builder] = {"linear": linear, "matmul": matmul}
