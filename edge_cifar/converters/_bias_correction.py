"""Takes out the mean error that rounding a convolution's weights to 8 bits puts into its output.

Rounding errors of weights do not average out over an image where their inputs are never negative:
behind a ReLU each output channel is shifted by a constant. In networks of depthwise convolutions the
shifts are as large as the signal's own rounding and pile up from layer to layer (MobileNetV2 on
CIFAR-10: 1.65 points of accuracy lost by int8, 0.3 with this correction). What is constant can be
subtracted beforehand.

Source: M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019, section 4.2; here with the inputs' measured means.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.converters import Calibration

_BATCH = 50
# Symmetric, so -128 is not used.
_LARGEST = 127


@contextlib.contextmanager
def applied(model: Any, calibration: Calibration) -> Iterator[int]:
    """Correct a model's biases while it is converted; afterwards it is as before.

    Args:
        model: a flat functional Keras model.
        calibration: images to measure the means of the convolutions' inputs on.

    Yields:
        the number of convolutions that were corrected: those with a bias, or with a batch
        normalization directly behind them, whose mean is shifted instead.
    """
    targets = [(layer, offset) for layer in _convolutions(model) if (offset := _offset(layer)) is not None]
    means = _input_means(model, [layer for layer, _ in targets], calibration)
    kept = [offset.numpy() for _, (offset, _) in targets]
    try:
        for (layer, (offset, sign)), mean in zip(targets, means, strict=True):
            offset.assign(offset.numpy() + sign * _shift(layer, mean))
        yield len(targets)
    finally:
        for (_, (offset, _)), value in zip(targets, kept, strict=True):
            offset.assign(value)


def rounded(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """A kernel as converters round it: symmetric 8-bit integers with one scale an output channel.

    Args:
        kernel: float ``[..., channels]``, the last axis that of the output channels.
    """
    scale = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)), keepdims=True) / _LARGEST
    # A channel of zeros stays one.
    scale = np.where(scale > 0, scale, 1)
    return np.asarray(np.rint(kernel / scale) * scale, np.float32)


def _convolutions(model: Any) -> list[Any]:
    layers = packages.require_keras().layers
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]


def _offset(convolution: Any) -> tuple[Any, int] | None:
    """The variable that a convolution's output is shifted by, and the sign it has there; None for none."""
    if convolution.use_bias:
        return convolution.bias, 1
    consumers = [node.operation for node in convolution._outbound_nodes]
    normalization = packages.require_keras().layers.BatchNormalization
    if len(consumers) == 1 and isinstance(consumers[0], normalization):
        return consumers[0].moving_mean, -1
    return None


def _input_means(model: Any, layers: list[Any], calibration: Calibration) -> list[NDArray[np.float64]]:
    """Mean of each input channel of the layers, over the calibration images and all places."""
    if not layers:
        return []
    keras = packages.require_keras()
    inputs = keras.Model(model.input, [keras.ops.mean(layer.input, axis=(1, 2)) for layer in layers])
    sums: list[Any] = [0.0] * len(layers)
    for batch in calibration.batches(_BATCH):
        answers = inputs(batch, training=False)
        answers = answers if isinstance(answers, list | tuple) else [answers]
        sums = [
            total + keras.ops.convert_to_numpy(answer).sum(axis=0, dtype=np.float64)
            for total, answer in zip(sums, answers, strict=True)
        ]
    return [total / len(calibration.images) for total in sums]


def _shift(layer: Any, mean: NDArray[np.float64]) -> NDArray[np.float32]:
    """What rounding takes away from each output channel's mean; borders are passed over."""
    kernel = layer.kernel.numpy()
    if isinstance(layer, packages.require_keras().layers.DepthwiseConv2D):
        # [height, width, channels, multiplier] -> [height * width, channels * multiplier]
        flat = kernel.reshape(-1, kernel.shape[2] * kernel.shape[3])
        lost = (flat - rounded(flat)).sum(axis=0).reshape(kernel.shape[2:])
        return np.asarray(lost * mean[:, np.newaxis], np.float32).reshape(-1)
    lost = (kernel - rounded(kernel)).sum(axis=(0, 1))
    groups = layer.groups
    # Output channels of group g see only its own input channels.
    parts = [
        part_mean @ part_lost
        for part_mean, part_lost in zip(np.split(mean, groups), np.split(lost, groups, axis=1), strict=True)
    ]
    return np.concatenate(parts).astype(np.float32)
