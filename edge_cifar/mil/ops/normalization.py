"""Normalizations."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, Shape, along, axes_of, axis_of


def softmax(inputs: Inputs) -> Kernel:
    """``softmax`` along one axis, shifted by its maximum so that it cannot overflow."""
    x = inputs.floating("x")
    axis = axis_of(inputs.integer("axis", -1), len(x.shape))
    return Kernel(type=x.type, run=partial(_softmax, axis=axis))


def batch_norm(inputs: Inputs) -> Kernel:
    """``batch_norm`` of x ``[B, C, ...]`` by given statistics."""
    x = inputs.floating("x")
    if len(x.shape) < 3:
        raise BundleError(f"it normalizes the channels of a tensor of shape {list(x.shape)}, which has none")
    mean, variance = _of_channels(inputs, "mean", x.shape), _of_channels(inputs, "variance", x.shape)
    gamma = _of_channels(inputs, "gamma", x.shape, 1.0)
    beta = _of_channels(inputs, "beta", x.shape, 0.0)
    epsilon = np.float32(inputs.number("epsilon", 1e-5))
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + epsilon)
    return Kernel(type=x.type, run=lambda x: (x - mean) * scale + beta)


def instance_norm(inputs: Inputs) -> Kernel:
    """``instance_norm`` of x ``[B, C, ...]``: each channel by its own mean and variance."""
    x = inputs.floating("x")
    if len(x.shape) < 3:
        raise BundleError(f"it normalizes the channels of a tensor of shape {list(x.shape)}, which has none")
    gamma = _of_channels(inputs, "gamma", x.shape, 1.0)
    beta = _of_channels(inputs, "beta", x.shape, 0.0)
    epsilon = np.float32(inputs.number("epsilon", 1e-5))
    axes = tuple(range(2 - len(x.shape), 0))
    return Kernel(type=x.type, run=partial(_standardized, axes=axes, epsilon=epsilon, gamma=gamma, beta=beta))


def layer_norm(inputs: Inputs) -> Kernel:
    """``layer_norm`` of x over ``axes`` (the last when left out)."""
    x = inputs.floating("x")
    axes = axes_of(inputs.integers("axes", (-1,)), len(x.shape))
    gamma = _of_axes(inputs, "gamma", x.shape, axes, 1.0)
    beta = _of_axes(inputs, "beta", x.shape, axes, 0.0)
    epsilon = np.float32(inputs.number("epsilon", 1e-5))
    return Kernel(type=x.type, run=partial(_standardized, axes=axes, epsilon=epsilon, gamma=gamma, beta=beta))


def _softmax(x: Array, *, axis: int) -> Array:
    powers: Array = np.exp(x - x.max(axis, keepdims=True))
    powers /= powers.sum(axis, keepdims=True)
    return powers


def _standardized(x: Array, *, axes: Shape, epsilon: np.float32, gamma: Array, beta: Array) -> Array:
    centred: Array = x - x.mean(axes, keepdims=True)
    variance = np.square(centred).mean(axes, keepdims=True)
    centred /= np.sqrt(variance + epsilon)
    centred *= gamma
    centred += beta
    return centred


def _of_channels(inputs: Inputs, name: str, shape: Shape, default: float | None = None) -> Array:
    if default is not None and not inputs.has(name):
        return np.full((), default, np.float32)
    values = inputs.constant(name)
    if values.shape != shape[1:2]:
        raise BundleError(f"its {name} has shape {list(values.shape)} for {shape[1]} channels")
    return along(values, 1 - len(shape))


def _of_axes(inputs: Inputs, name: str, shape: Shape, axes: Shape, default: float) -> Array:
    if not inputs.has(name):
        return np.full((), default, np.float32)
    values = inputs.constant(name)
    if values.shape != tuple(shape[axis] for axis in axes):
        raise BundleError(f"its {name} has shape {list(values.shape)}, which does not match the axes {list(axes)}")
    return values.reshape([shape[axis] if axis in axes else 1 for axis in range(-len(shape), 0)])


OPS: dict[str, Builder] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "softmax": softmax,
}
