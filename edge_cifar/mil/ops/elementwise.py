"""Operations on each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import BOOL, BY_NAME, FP16, FP32, Array
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, Operand, Shape, along
from edge_cifar.mil.program import TensorType

Function = Callable[[Array], Array]


def unary(function: Function, *, exact: bool = False) -> Builder:
    """The builder of an operation that applies a function to each element of x, a floating-point tensor."""

    def build(inputs: Inputs) -> Kernel:
        return _elementwise(inputs.floating("x"), function, exact=exact)

    return build


def binary(function: Callable[[Array, Array], Array], *, exact: bool = False) -> Builder:
    """The builder of an operation on x and y, broadcast against each other as in NumPy."""

    def build(inputs: Inputs) -> Kernel:
        x, y = inputs.operand("x"), inputs.operand("y")
        if x.type.element != y.type.element or x.type.element == BOOL:
            raise BundleError(f"it cannot combine {x.type} with {y.type}")
        shape = broadcast(x.shape, y.shape)
        return Kernel(
            type=TensorType(x.type.element, shape),
            run=partial(_combined, function=function, rank=len(shape)),
            exact=exact,
        )

    return build


def broadcast(*shapes: Shape) -> Shape:
    """The shape that several are broadcast to.

    Raises:
        BundleError: they do not fit together.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise BundleError(
            f"the shapes {' and '.join(str(list(shape)) for shape in shapes)} are incompatible"
        ) from error


def aligned(array: Array, rank: int) -> Array:
    """``[N, ...]`` with axes of length 1 put behind that of the samples until ``rank`` others follow it."""
    missing = rank - (array.ndim - 1)
    return array.reshape(array.shape[:1] + (1,) * missing + array.shape[1:]) if missing else array


def _combined(x: Array, y: Array, *, function: Callable[[Array, Array], Array], rank: int) -> Array:
    return function(aligned(x, rank), aligned(y, rank))


def _elementwise(x: Operand, function: Function, *, exact: bool = False) -> Kernel:
    return Kernel(type=x.type, run=function, exact=exact)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, np.zeros((), x.dtype))


def _leaky(x: Array, *, alpha: Array) -> Array:
    return np.where(x >= 0, x, alpha * x)


def leaky_relu(inputs: Inputs) -> Kernel:
    """``leaky_relu``: x where it is positive, alpha times x elsewhere."""
    return _elementwise(
        inputs.floating("x"), partial(_leaky, alpha=np.full((), inputs.number("alpha", 0.01), np.float32))
    )


def prelu(inputs: Inputs) -> Kernel:
    """``prelu``: as ``leaky_relu``, with an alpha for each channel of x ``[B, C, ...]``."""
    x, alpha = inputs.floating("x"), inputs.constant("alpha")
    if len(x.shape) < 3 or alpha.shape != x.shape[1:2]:
        raise BundleError(f"its alpha of shape {list(alpha.shape)} does not match an input of shape {list(x.shape)}")
    return _elementwise(x, partial(_leaky, alpha=along(alpha, 1 - len(x.shape))))


def elu(inputs: Inputs) -> Kernel:
    """``elu``: x where it is positive, alpha (exp(x) - 1) elsewhere."""
    x, alpha = inputs.floating("x"), np.float32(inputs.number("alpha", 1.0))
    return _elementwise(x, lambda x: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))))


def sigmoid_hard(inputs: Inputs) -> Kernel:
    """``sigmoid_hard``: alpha x + beta, held between 0 and 1."""
    x = inputs.floating("x")
    alpha, beta = np.float32(inputs.number("alpha", 0.2)), np.float32(inputs.number("beta", 0.5))
    return _elementwise(x, lambda x: np.clip(alpha * x + beta, 0, 1))


def gelu(inputs: Inputs) -> Kernel:
    """``gelu`` in its two approximations; the exact one needs the error function, which NumPy lacks."""
    x = inputs.floating("x")
    mode = inputs.choice("mode", ("TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"))
    if mode == "SIGMOID_APPROXIMATION":
        return _elementwise(x, lambda x: x * _sigmoid(np.float32(1.702) * x))
    root = np.float32(np.sqrt(2 / np.pi))
    return _elementwise(x, lambda x: np.float32(0.5) * x * (1 + np.tanh(root * (x + np.float32(0.044715) * x**3))))


def clip(inputs: Inputs) -> Kernel:
    """``clip``: x held between alpha and beta."""
    x, low, high = inputs.floating("x"), np.float32(inputs.number("alpha")), np.float32(inputs.number("beta"))
    return _elementwise(x, lambda x: np.clip(x, low, high))


def rsqrt(inputs: Inputs) -> Kernel:
    """``rsqrt``: 1 / sqrt(x + epsilon)."""
    x, epsilon = inputs.floating("x"), np.float32(inputs.number("epsilon", 1e-12))
    return _elementwise(x, lambda x: 1 / np.sqrt(x + epsilon))


def cast(inputs: Inputs) -> Kernel:
    """``cast``: to another element type; numbers with a fraction lose it."""
    x = inputs.operand("x")
    target = BY_NAME[inputs.choice("dtype", ("fp16", "fp32", "int32", "int16", "uint16", "int8", "uint8", "bool"))]
    # Half precision is computed as float32; the evaluator rounds what is declared to be half.
    storage = FP32.storage if target == FP16 else target.storage
    return Kernel(type=TensorType(target, x.shape), run=lambda x: x.astype(storage))


OPS: dict[str, Builder] = {
    "abs": unary(np.abs, exact=True),
    "add": binary(np.add),
    "cast": cast,
    "clip": clip,
    "elu": elu,
    "exp": unary(np.exp),
    "gelu": gelu,
    "identity": unary(lambda x: x, exact=True),
    "leaky_relu": leaky_relu,
    "maximum": binary(np.maximum, exact=True),
    "minimum": binary(np.minimum, exact=True),
    "mul": binary(np.multiply),
    "pow": binary(np.power),
    "prelu": prelu,
    "real_div": binary(np.true_divide),
    "relu": unary(lambda x: np.maximum(x, 0), exact=True),
    "relu6": unary(lambda x: np.clip(x, 0, 6), exact=True),
    "rsqrt": rsqrt,
    "sigmoid": unary(_sigmoid),
    "sigmoid_hard": sigmoid_hard,
    "silu": unary(_silu),
    "softplus": unary(_softplus),
    "softsign": unary(lambda x: x / (1 + np.abs(x))),
    "sqrt": unary(np.sqrt),
    "square": unary(np.square),
    "sub": binary(np.subtract),
    "tanh": unary(np.tanh),
}
