"""What each layer of a Keras model answers, as far as converted networks hold it too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.activations import Activations, Layer, positions

Values = NDArray[np.float32]
_SCALING = ("Rescaling", "Normalization")


def sampled(keras: Any, model: Any, images: NDArray[np.uint8]) -> Activations:
    """Let a model answer a few images and keep samples of every layer's output.

    Left out is what no converted network holds: a layer that only passes its input on (dropout,
    flattening), and a convolution that every converter folds into the batch normalization behind it.

    Args:
        keras: the Keras namespace.
        model: a flat functional model.
        images: uint8 ``[N, H, W, 3]``.
    """
    nodes = [layer for layer in model.layers if _is_plain(keras, layer)]
    probe = keras.Model(model.input, [layer.output for layer in nodes])
    chosen = [positions(int(np.prod(layer.output.shape[1:])), len(images)) for layer in nodes]
    samples: list[list[Values]] = [[] for _ in nodes]
    passing = set(nodes)
    for number, image in enumerate(images):
        # Image by image, since all layers' outputs are in memory at once.
        answers = probe(image[np.newaxis].astype(np.float32), training=False)
        values = [np.asarray(keras.ops.convert_to_numpy(answer), np.float32).reshape(-1) for answer in answers]
        by_layer = dict(zip(nodes, values, strict=True))
        passing = {layer for layer in passing if _passes_on(layer, by_layer)}
        for kept, value, places in zip(samples, values, chosen, strict=True):
            kept.append(value[places[number]])
    stay = [layer for layer in nodes if layer not in passing and not _is_folded(keras, layer)]
    numbers = {layer: number for number, layer in enumerate(stay)}
    return Activations(
        images=len(images),
        layers=tuple(
            Layer(
                name=layer.name,
                kind=type(layer).__name__,
                shape=tuple(int(side) for side in layer.output.shape[1:]),
                sources=tuple(sorted(_sources(layer, numbers))),
                values=np.stack(samples[nodes.index(layer)]),
            )
            for layer in stay
        ),
    )


def scales_its_pixels(model: Any) -> bool:
    """Whether a model scales pixels itself, before its first layer with weights: then it takes them as 0 to 255."""
    for layer in flattened(model):
        if type(layer).__name__ in _SCALING:
            return True
        if layer.weights:
            return False
    return False


def flattened(model: Any) -> Iterator[Any]:
    """A model's layers in order, those of models inside it in the place of these."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from flattened(layer)
        else:
            yield layer


def _is_plain(keras: Any, layer: Any) -> bool:
    """Whether a layer is called once and yields one tensor of fixed shape."""
    nodes = layer._inbound_nodes
    if isinstance(layer, keras.layers.InputLayer) or len(nodes) != 1 or len(nodes[0].outputs) != 1:
        return False
    return None not in nodes[0].outputs[0].shape[1:]


def _inputs(layer: Any) -> list[Any]:
    return [node.operation for node in layer._inbound_nodes[0].parent_nodes]


def _passes_on(layer: Any, values: dict[Any, Values]) -> bool:
    inputs = _inputs(layer)
    return len(inputs) == 1 and inputs[0] in values and np.array_equal(values[inputs[0]], values[layer])


def _is_folded(keras: Any, layer: Any) -> bool:
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    if not isinstance(layer, kinds) or layer.activation is not keras.activations.linear:
        return False
    consumers = [node.operation for node in layer._outbound_nodes]
    return len(consumers) == 1 and isinstance(consumers[0], keras.layers.BatchNormalization)


def _sources(layer: Any, numbers: dict[Any, int]) -> set[int]:
    """The nearest layers before one that were kept."""
    found: set[int] = set()
    for source in _inputs(layer):
        found |= {numbers[source]} if source in numbers else _sources(source, numbers)
    return found
