"""The whole model: raw RGB pixels in, what the network expects made of them in the graph, probabilities out."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from edge_cifar import keras_graph
from edge_cifar.errors import ModelError, first_line
from edge_cifar.importing.inputs import NetworkInput, Size
from edge_cifar.importing.outputs import Finish, NetworkOutput
from edge_cifar.importing.tracing import is_own, traced
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.traced_graph import layer_class

# Luminance of ITU-R BT.601, as Pillow's and OpenCV's conversions to grey have it. They sum to 1: grey stays grey.
LUMINANCE = (0.299, 0.587, 0.114)
# What only training changes; some of it has a random state, which no format holds.
_AUGMENTATIONS = ("AugMix", "CutMix", "GaussianDropout", "GaussianNoise", "MixUp", "RandAugment", "SpatialDropout2D")

# TensorFlow's rule for the outermost scope of a graph, which is called as the model is.
_NOT_IN_A_NAME = re.compile(r"^[^A-Za-z0-9.]+|[^A-Za-z0-9_.-]+")


def network(keras: Any, model: Any, source: str) -> Any:
    """A copy of a model as converters want it: flat, in float32, without code and the layers that only training needs.

    Args:
        keras: the namespace.
        model: a functional or Sequential Keras model; it stays as it is.
        source: what messages call it.

    Raises:
        ModelError: a layer cannot be copied.
    """
    flat = keras_graph.flat(keras, model)
    copies: list[tuple[Any, Any]] = []

    def copied(operation: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer) or _is_carried(keras, operation):
            return operation
        config = operation.get_config()
        if operation.compute_dtype != "float32" and "float" in str(operation.compute_dtype):
            config["dtype"] = "float32"
        copies.append((operation, operation.__class__.from_config(config)))
        return copies[-1][1]

    def called(operation: Any, *arguments: Any, **options: Any) -> Any:
        if _only_trains(operation):
            return arguments[0]
        if is_own(keras, operation):
            return traced(operation, arguments, source)(*arguments)
        if keras_graph.kind(operation) == "Resizing":
            # Without it Keras 3.15's Resizing hands training=True to the layers behind it.
            options["training"] = False
        return operation(*arguments, **options)

    try:
        copy = keras.models.clone_model(flat, clone_function=copied, call_function=called)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{source} cannot be copied layer by layer ({first_line(error)})") from error
    for layer, fresh in copies:
        if layer.weights and not _only_trains(layer):
            fresh.set_weights(layer.get_weights())
    return copy


def _is_carried(keras: Any, layer: Any) -> bool:
    """Whether a layer goes into the copy as it is, or as a graph."""
    return type(layer) is layer_class() or is_own(keras, layer)


def _only_trains(layer: Any) -> bool:
    kind = keras_graph.kind(layer)
    return kind.startswith("Random") or kind in _AUGMENTATIONS


def front(keras: Any, taken: NetworkInput, preprocessing: Preprocessing, size: Size, names: Collection[str]) -> Any:
    """The model before the network: raw RGB pixels to what the network takes.

    Args:
        keras: the namespace.
        taken: how the network takes an image.
        preprocessing: range or mean and standard deviation.
        size: height and width of the raw images.
        names: of the network's layers, which these are not called.

    Returns:
        a model from float32 ``[batch, *size, 3]`` in 0..255 to ``[batch, *taken.shape]``.
    """

    def free(name: str) -> str:
        return next(one for one in (name, *(f"{name}_{number}" for number in range(2, 99))) if one not in names)

    layers = keras.layers
    image = keras.Input((*size, 3), name=free("image"))
    hidden = image
    if size != taken.size:
        resize = layers.Resizing(*taken.size, interpolation="bilinear", name=free("resize"))
        hidden = resize(hidden, training=False)
    if taken.channels == "bgr":
        hidden = hidden[..., ::-1]
    elif taken.channels == "gray":
        grey = layers.Conv2D(1, 1, use_bias=False, trainable=False, name=free("preprocess_gray"))
        hidden = grey(hidden)
        grey.set_weights([np.array(LUMINANCE, np.float32).reshape(1, 1, 3, 1)])
    scale, offset = affine(preprocessing, taken.depth)
    if any(one != 1 for one in scale) or any(offset):
        alike = len({*scale}) == len({*offset}) == 1
        given = {"scale": scale[0], "offset": offset[0]} if alike else {"scale": list(scale), "offset": list(offset)}
        hidden = layers.Rescaling(**given, name=free("preprocess_scale"))(hidden)
    if taken.layout == "nchw":
        hidden = layers.Permute((3, 1, 2), name=free("preprocess_layout"))(hidden)
    if len(taken.shape) < 3:
        hidden = layers.Reshape(taken.shape, name=free("preprocess_shape"))(hidden)
    return keras.Model(image, hidden, name="front")


def affine(preprocessing: Preprocessing, depth: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Factor and summand of each channel."""
    ranges = preprocessing.ranges(depth) or ((0.0, 255.0),) * depth
    return tuple((high - low) / 255 for low, high in ranges), tuple(low for low, _ in ranges)


def assembled(keras: Any, before: Any, copy: Any, output: NetworkOutput, finish: Finish, name: str) -> Any:
    """The whole model.

    Args:
        keras: the namespace.
        before: what :func:`front` made.
        copy: what :func:`network` made, with one output.
        output: of the network.
        finish: what makes probabilities of it.
        name: of the model; what TensorFlow does not take in it is left out.

    Returns:
        a flat functional model from float32 ``[batch, H, W, 3]`` in 0..255 to ``[batch, classes]``.
    """
    layers = keras.layers
    names = {layer.name for layer in (*before.layers, *copy.layers)}

    def free(name: str) -> str:
        return next(one for one in (name, *(f"{name}_{number}" for number in range(2, 99))) if one not in names)

    hidden = copy.call(before.output)
    if len(output.tensor.shape) > 2:
        hidden = layers.Flatten(name=free("head_flatten"))(hidden)
    if finish == "softmax":
        hidden = layers.Activation("softmax", name=free("head_probabilities"))(hidden)
    elif finish != "none":
        if finish == "sigmoid-pair":
            hidden = layers.Activation("sigmoid", name=free("head_sigmoid"))(hidden)
        first = layers.Rescaling(-1.0, offset=1.0, name=free("head_first"))(hidden)
        hidden = layers.Concatenate(name=free("head_probabilities"))([first, hidden])
    return keras.Model(before.input, hidden, name=_NOT_IN_A_NAME.sub("_", name).lstrip("_") or "model")
