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

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import keras_graph, packages
from edge_cifar.converters import Calibration

Steps = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""The scale of each filter's integers, float ``[channels]``, for a kernel ``[..., channels]``; 0 for one of zeros."""

_BATCH = 50
# Symmetric, so -128 is not used.
_LARGEST = 127


def full_range(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scales with which each filter's largest weight becomes the largest integer."""
    return np.asarray(np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1))) / _LARGEST)


def shifts(model: Any, calibration: Calibration, steps: Steps = full_range) -> dict[str, NDArray[np.float32]]:
    """What to add to the biases of a converted network's convolutions.

    Args:
        model: a flat functional Keras model.
        calibration: images to measure the means of the convolutions' inputs on.
        steps: the scales that the format rounds kernels with.

    Returns:
        by the convolution's name, float32 ``[outputs]``: what rounding takes from its mean, as it
        comes out of the batch normalization that converters fold into it. Left out are those that
        have neither a bias nor a batch normalization directly behind them.
    """
    graph = keras_graph.Graph(model)
    convolutions = [layer for layer in model.layers if keras_graph.kind(layer) in keras_graph.CONVOLUTIONS]
    targets = [(layer, factor) for layer in convolutions if (factor := _factor(graph, layer)) is not None]
    means = _input_means(model, [layer for layer, _ in targets], calibration)
    return {
        layer.name: np.asarray(factor * _shift(layer, mean, steps), np.float32)
        for (layer, factor), mean in zip(targets, means, strict=True)
    }


def rounded(kernel: NDArray[np.float32], steps: Steps = full_range) -> NDArray[np.float32]:
    """A kernel as converters round it: symmetric 8-bit integers with one scale an output channel.

    Args:
        kernel: float ``[..., channels]``, the last axis that of the output channels.
        steps: the scales.
    """
    scale = steps(kernel)
    # A channel of zeros stays one.
    scale = np.where(scale > 0, scale, 1)
    return np.asarray(np.rint(kernel / scale) * scale, np.float32)


def lost_mean(lost: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the means of a convolution's outputs lose by what its weights lost.

    Args:
        lost: ``[input channels of a group, output channels]``, summed over the kernel's places.
        mean: ``[input channels]``, of the convolution's input.
    """
    groups = len(mean) // len(lost)
    # Output channels of group g see only its own input channels.
    parts = zip(np.split(mean, groups), np.split(lost, groups, axis=1), strict=True)
    return np.concatenate([part_mean @ part_lost for part_mean, part_lost in parts])


def _factor(graph: keras_graph.Graph, convolution: Any) -> NDArray[np.float32] | float | None:
    """What a shift of a convolution's output is multiplied with on its way into the folded bias."""
    normalization = graph.folded(convolution)
    if normalization is None:
        return 1.0 if convolution.use_bias else None
    scale, _ = keras_graph.scale_and_shift(normalization)
    return scale


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


def _shift(layer: Any, mean: NDArray[np.float64], steps: Steps) -> NDArray[np.float32]:
    """What rounding takes away from each output channel's mean; borders are passed over."""
    kernel = layer.kernel.numpy()
    if keras_graph.kind(layer) == "DepthwiseConv2D":
        # Each channel is a group.
        kernel = keras_graph.by_filter(layer, kernel)
        return lost_mean((kernel - rounded(kernel, steps)).sum(axis=0, keepdims=True), mean).astype(np.float32)
    return lost_mean((kernel - rounded(kernel, steps)).sum(axis=(0, 1)), mean).astype(np.float32)
