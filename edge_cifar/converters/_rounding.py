"""Rounding to 8 bits that keeps what each filter answers, not what each weight was.

Converters round every weight to the nearest of the 255 values between plus and minus the filter's
largest. On an image enlarged in the graph neighbouring pixels are nearly equal, and the filters that a
network learns there are differences: their weights are large and cancel. Errors of rounding do not
cancel; they leak brightness into a filter that must not see it. Measured on MobileNetV2 at 96 pixels:
8-bit weights alone, everything else in floats, lost a point of accuracy.

Here the weights of a filter are rounded one after the other, and what one loses the ones after it
make good, weighed by how the filter's inputs vary together on the calibration images. The values that
come out lie on the converter's own grid, so that it finds nothing left to round.

Source: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ: Accurate Post-Training Quantization for
Generative Pre-trained Transformers", 2022, algorithm 1, on the weights of convolutions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages

# The largest integer of a symmetric 8-bit weight, as LiteRT, ONNX Runtime and Core ML have it.
LEVELS = 127

# Filters that read more than this many values average the errors of rounding out by themselves, and
# the matrix to invert grows with the square.
MAXIMUM_FAN_IN = 1200

_IMAGES = 50
_BATCH = 10
# Enough for a stable matrix at the largest fan-in; more positions of one image tell little new.
_POSITIONS_PER_BATCH = 2000
# Of the mean diagonal; keeps directions that the images never show invertible. (The source takes 1e-2, of
# matrices from far fewer samples.)
_DAMPING = 1e-3

Floats = NDArray[np.float64]


def round_convolutions(model: Any, images: NDArray[np.uint8]) -> None:
    """Round the kernels of a model's convolutions to 8 bits per output channel, in place.

    Args:
        model: a Keras model; its batch norms need not be folded: they scale whole filters, and a
            filter's grid with them.
        images: uint8 ``[N, H, W, 3]`` calibration images; the first 50 are used.
    """
    keras = packages.require_keras()
    layers = [layer for layer in model.layers if _applies(keras, layer)]
    if not layers:
        return
    for layer, gram in zip(layers, _input_grams(keras, model, layers, images), strict=True):
        kernel, *rest = layer.get_weights()
        by_filter = _filters(keras, layer, kernel)
        rounded = round_filters(by_filter, gram)
        layer.set_weights([_kernel(keras, layer, rounded, kernel.shape), *rest])


def round_filters(weights: Floats, gram: Floats) -> Floats:
    """Round filters so that their answers change least.

    Args:
        weights: ``[groups, n, m]``: m filters of n weights in each group.
        gram: ``[groups, n, n]``: mean of the products of each group's inputs.

    Returns:
        ``[groups, n, m]``: whole multiples, from -127 to 127, of a 127th of each filter's largest weight.
    """
    left = weights.astype(np.float64)
    largest = np.abs(left).argmax(axis=1)
    steps = np.maximum(np.abs(left).max(axis=1), np.finfo(np.float32).tiny) / LEVELS
    # The largest weight stays what it is: it defines the grid that the converter will find.
    extremes = np.sign(np.take_along_axis(left, largest[:, np.newaxis], axis=1)[:, 0]) * LEVELS
    size = gram.shape[-1]
    damping = _DAMPING * np.trace(gram, axis1=1, axis2=2) / size + np.finfo(np.float32).tiny
    damped = gram + damping[:, np.newaxis, np.newaxis] * np.eye(size)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    rounded = np.empty_like(left)
    for row in range(size):
        whole = np.clip(np.round(left[:, row] / steps), -LEVELS, LEVELS)
        rounded[:, row] = np.where(largest == row, extremes, whole) * steps
        error = (left[:, row] - rounded[:, row]) / upper[:, row, row, np.newaxis]
        left[:, row + 1 :] -= upper[:, row, row + 1 :, np.newaxis] * error[:, np.newaxis]
    return rounded


def _applies(keras: Any, layer: Any) -> bool:
    """Whether a layer is a plain convolution of a size worth the effort."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return bool(layer.depth_multiplier == 1 and tuple(layer.dilation_rate) == (1, 1))
    if not isinstance(layer, keras.layers.Conv2D) or layer.groups != 1 or tuple(layer.dilation_rate) != (1, 1):
        return False
    height, width, channels, _ = layer.kernel.shape
    return bool(height * width * channels <= MAXIMUM_FAN_IN)


def _input_grams(keras: Any, model: Any, layers: list[Any], images: NDArray[np.uint8]) -> list[Floats]:
    """For each layer ``[groups, n, n]``: the mean products of the inputs that its filters read together."""
    watched = keras.Model(model.inputs, [layer.input for layer in layers])
    random = np.random.default_rng(0)
    totals: list[Any] = [0.0] * len(layers)
    positions = [0] * len(layers)
    for start in range(0, min(len(images), _IMAGES), _BATCH):
        inputs = watched.predict_on_batch(images[start : start + _BATCH].astype(np.float32))
        for number, (layer, value) in enumerate(zip(layers, _as_list(inputs), strict=True)):
            patches = _patches(keras, layer, value, random)
            totals[number] = totals[number] + patches.transpose(0, 2, 1) @ patches
            positions[number] += patches.shape[1]
    return [np.asarray(total) / count for total, count in zip(totals, positions, strict=True)]


def _patches(keras: Any, layer: Any, value: Any, random: np.random.Generator) -> Floats:
    """``[groups, positions, n]``: what the filters read at some positions; a depthwise group is a channel."""
    if tuple(layer.kernel_size) == (1, 1):
        patches = np.asarray(value)[:, :: layer.strides[0], :: layer.strides[1]]
    else:
        patches = keras.ops.convert_to_numpy(
            keras.ops.image.extract_patches(value, layer.kernel_size, strides=layer.strides, padding=layer.padding)
        )
    rows = patches.reshape(-1, patches.shape[-1])
    if len(rows) > _POSITIONS_PER_BATCH:
        rows = rows[random.choice(len(rows), _POSITIONS_PER_BATCH, replace=False)]
    rows = rows.astype(np.float64)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return rows.reshape(len(rows), -1, value.shape[-1]).transpose(2, 0, 1)
    return rows[np.newaxis]


def _filters(keras: Any, layer: Any, kernel: NDArray[np.float32]) -> Floats:
    """A kernel as ``[groups, n, filters of a group]``, n in the order of the patches."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return kernel.reshape(-1, kernel.shape[2]).T[:, :, np.newaxis].astype(np.float64)
    return kernel.reshape(1, -1, kernel.shape[3]).astype(np.float64)


def _kernel(keras: Any, layer: Any, filters: Floats, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The inverse of :func:`_filters`."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        filters = filters[:, :, 0].T
    return filters.reshape(shape).astype(np.float32)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
