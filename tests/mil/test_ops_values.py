"""Operations of the Core ML evaluator on values, one by one, against ONNX Runtime or NumPy on random shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mil_ops import (
    Tensor,
    assert_close,
    bounded,
    normal,
    one_batch,
    onnx_run,
    run,
    samples_innermost,
)

UNARY = {
    "abs": ("Abs", {}),
    "exp": ("Exp", {}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}


@pytest.mark.parametrize("kind", UNARY)
def test_unary(kind: str) -> None:
    x = normal(1, 3, 4, 5) * 3
    name, attributes = UNARY[kind]
    assert_close(run(kind, x=Tensor(x)), onnx_run(name, x, **attributes), 2e-6)


def test_activations_with_parameters() -> None:
    x = normal(2, 3, 4, 5, 2) * 3
    t = Tensor(x)
    assert_close(run("leaky_relu", x=t, alpha=0.2), onnx_run("LeakyRelu", x, alpha=0.2))
    assert_close(run("elu", x=t, alpha=0.7), onnx_run("Elu", x, alpha=0.7))
    assert_close(run("sigmoid_hard", x=t, alpha=0.3, beta=0.4), onnx_run("HardSigmoid", x, alpha=0.3, beta=0.4))
    assert_close(run("clip", x=t, alpha=-1.0, beta=1.5), np.clip(x, -1, 1.5))
    assert_close(run("relu6", x=t), np.clip(x, 0, 6))
    assert_close(run("silu", x=t), x * onnx_run("Sigmoid", x))
    assert_close(run("square", x=t), x**2)
    assert_close(run("sqrt", x=Tensor(abs(x))), np.sqrt(abs(x)))
    assert_close(run("rsqrt", x=Tensor(abs(x)), epsilon=1e-3), 1 / np.sqrt(abs(x) + 1e-3))
    alpha = np.array([0.1, -0.2, 0.3, 0.5, 1.5], np.float32)
    image = Tensor(x[:, None, :, :, :].transpose(0, 1, 3, 2, 4))
    assert_close(run("prelu", x=image, alpha=alpha)[:, 0], np.where(x > 0, x, x * alpha[:, None]).transpose(0, 2, 1, 3))
    tanh = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    assert_close(run("gelu", x=t, mode="TANH_APPROXIMATION"), tanh)
    assert_close(run("gelu", x=t, mode="SIGMOID_APPROXIMATION"), x / (1 + np.exp(-1.702 * x)))


BINARY = {
    "add": "Add",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "pow": "Pow",
    "real_div": "Div",
    "sub": "Sub",
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    ("x_shape", "y_shape"), [((4, 5), (4, 5)), ((1, 4, 5), (4, 1)), ((5,), (2, 3, 5)), ((2, 1), (1, 7)), ((3,), ())]
)
def test_binary_broadcasts_each_sample_by_itself(kind: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    # Six samples: were a sample axis taken for one of the tensor's own, no shape here would fit it.
    x, y = abs(normal(1, 6, *x_shape)) + 0.5, normal(2, 6, *y_shape) + 3
    theirs = np.stack([onnx_run(BINARY[kind], x[i], np.asarray(y[i])) for i in range(6)])
    assert_close(run(kind, x=Tensor(x), y=Tensor(y)), theirs, 1e-5)
    constant = np.stack([onnx_run(BINARY[kind], x[i], np.asarray(y[0])) for i in range(6)])
    assert_close(run(kind, x=Tensor(x), y=y[0]), constant, 1e-5)


@bounded
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.data(),
    st.booleans(),
    st.sampled_from(["reduce_mean", "reduce_sum", "reduce_max", "reduce_min"]),
)
def test_reduction(shape: list[int], data: st.DataObject, keep: bool, kind: str) -> None:
    rank = len(shape)
    axes = data.draw(st.lists(st.integers(-rank, rank - 1), min_size=1, unique_by=lambda axis: axis % rank))
    x = normal(len(axes), 3, *shape)
    function = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min}[kind.removeprefix("reduce_")]
    theirs = function(x.astype(np.float64), axis=tuple(axis % rank + 1 for axis in axes), keepdims=keep)
    assert_close(run(kind, x=Tensor(x), axes=np.array(axes), keep_dims=keep), theirs, 1e-5)


@bounded
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_softmax(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = normal(axis + 9, 3, *shape) * 20
    assert_close(run("softmax", x=Tensor(x), axis=axis), onnx_run("Softmax", x, axis=axis % len(shape) + 1))


def test_normalizations() -> None:
    x = normal(0, 4, 5, 6, 3)
    gamma, beta, mean = normal(1, 5), normal(2, 5), normal(3, 5)
    variance = abs(normal(4, 5)) + 0.1
    theirs = onnx_run("BatchNormalization", x, gamma, beta, mean, variance, epsilon=1e-3)
    image = one_batch(x)
    ours = run("batch_norm", x=image, gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=1e-3)
    assert_close(ours[:, 0], theirs)
    theirs = onnx_run("InstanceNormalization", x, gamma, beta, epsilon=1e-3)
    assert_close(run("instance_norm", x=image, gamma=gamma, beta=beta, epsilon=1e-3)[:, 0], theirs)
    gamma, beta = normal(5, 6, 3), normal(6, 6, 3)
    theirs = onnx_run("LayerNormalization", x, gamma, beta, axis=2, epsilon=1e-3)
    assert_close(run("layer_norm", x=image, axes=(-2, -1), gamma=gamma, beta=beta, epsilon=1e-3)[:, 0], theirs)


def test_linear_and_matmul() -> None:
    x, w, b = normal(0, 3, 2, 5), normal(1, 7, 5), normal(2, 7)
    assert_close(run("linear", x=Tensor(x), weight=w, bias=b), x @ w.T + b)
    assert_close(run("linear", x=Tensor(x), weight=w), x @ w.T)
    assert_close(run("matmul", x=Tensor(x), y=w, transpose_y=True), x @ w.T)
    assert_close(run("matmul", x=Tensor(x), y=np.ascontiguousarray(w.T)), x @ w.T)
    y = normal(3, 3, 4, 5, 6)
    theirs = np.stack([onnx_run("MatMul", x[i], np.asarray(y[i])) for i in range(3)])
    assert_close(run("matmul", x=Tensor(x), y=Tensor(y)), theirs)
    assert_close(run("matmul", x=Tensor(x.swapaxes(1, 2)), y=Tensor(y), transpose_x=True), theirs)


@bounded
@given(st.permutations(range(4)), st.tuples(*[st.integers(1, 4)] * 4))
def test_transpose_and_reshape(order: list[int], shape: tuple[int, ...]) -> None:
    x = normal(0, 5, *shape)
    theirs = x.transpose(0, *(axis + 1 for axis in order))
    assert (run("transpose", x=Tensor(samples_innermost(x)), perm=np.array(order)) == theirs).all()
    assert (
        run("reshape", x=Tensor(theirs), shape=(shape[order[0]], -1)) == theirs.reshape(5, shape[order[0]], -1)
    ).all()
    kept = run("reshape", x=Tensor(theirs), shape=(0, 0, -1, 0))
    assert (kept == theirs).all()


def test_axes_of_length_one() -> None:
    x = normal(0, 5, 1, 3, 1, 2)
    assert run("squeeze", x=Tensor(x)).shape == (5, 3, 2)
    assert run("squeeze", x=Tensor(x), axes=(-2,)).shape == (5, 1, 3, 2)
    assert run("expand_dims", x=Tensor(x), axes=(0, -1)).shape == (5, 1, 1, 3, 1, 2, 1)


def test_joining() -> None:
    x, y = normal(0, 5, 2, 3), normal(1, 5, 4, 3)
    assert (run("concat", values=[Tensor(x), Tensor(y)], axis=0) == np.concatenate([x, y], 1)).all()
    assert (run("concat", values=[Tensor(y), Tensor(y)], axis=-1) == np.concatenate([y, y], 2)).all()
    assert (run("stack", values=[Tensor(x), Tensor(x)], axis=-1) == np.stack([x, x], -1)).all()
    assert (run("stack", values=[Tensor(x), Tensor(x)], axis=0) == np.stack([x, x], 1)).all()
    assert (run("reverse", x=Tensor(x), axes=(1,)) == x[:, :, ::-1]).all()
