"""What each layer of a Keras model answers, as far as converted networks hold it too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import keras_graph
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
    graph = keras_graph.Graph(model)
    nodes = [layer for layer in model.layers if _is_plain(graph, layer)]
    probe = keras.Model(model.input, [layer.output for layer in nodes])
    chosen = [positions(int(np.prod(layer.output.shape[1:])), len(images)) for layer in nodes]
    samples: list[list[Values]] = [[] for _ in nodes]
    passing = set(nodes)
    for number, image in enumerate(images):
        # Image by image, since all layers' outputs are in memory at once.
        answers = probe(image[np.newaxis].astype(np.float32), training=False)
        values = [np.asarray(keras.ops.convert_to_numpy(answer), np.float32).reshape(-1) for answer in answers]
        by_layer = dict(zip(nodes, values, strict=True))
        passing = {layer for layer in passing if _passes_on(graph, layer, by_layer)}
        for kept, value, places in zip(samples, values, chosen, strict=True):
            kept.append(value[places[number]])
    stay = [layer for layer in nodes if layer not in passing and not _is_folded(graph, layer)]
    numbers = {layer: number for number, layer in enumerate(stay)}
    return Activations(
        images=len(images),
        layers=tuple(
            Layer(
                name=layer.name,
                kind=keras_graph.kind(layer),
                shape=tuple(int(side) for side in layer.output.shape[1:]),
                sources=tuple(sorted(_sources(graph, layer, numbers))),
                values=np.stack(samples[nodes.index(layer)]),
            )
            for layer in stay
        ),
    )


def scales_its_pixels(model: Any) -> bool:
    """Whether a model scales pixels itself, before its first layer with weights: then it takes them as 0 to 255."""
    for layer in keras_graph.layers(model):
        if keras_graph.kind(layer) in _SCALING:
            return True
        if layer.weights:
            return False
    return False


def _is_plain(graph: keras_graph.Graph, layer: Any) -> bool:
    """Whether a layer is called once and yields one tensor of fixed shape."""
    nodes = graph.nodes(layer)
    if keras_graph.kind(layer) == "InputLayer" or len(nodes) != 1 or len(nodes[0].outputs) != 1:
        return False
    return None not in nodes[0].outputs[0].shape[1:]


def _passes_on(graph: keras_graph.Graph, layer: Any, values: dict[Any, Values]) -> bool:
    inputs = graph.sources(layer)
    return len(inputs) == 1 and inputs[0] in values and np.array_equal(values[inputs[0]], values[layer])


def _is_folded(graph: keras_graph.Graph, layer: Any) -> bool:
    return keras_graph.kind(layer) in keras_graph.CONVOLUTIONS and graph.folded(layer) is not None


def _sources(graph: keras_graph.Graph, layer: Any, numbers: dict[Any, int]) -> set[int]:
    """The nearest layers before one that were kept."""
    found: set[int] = set()
    for source in graph.sources(layer):
        found |= {numbers[source]} if source in numbers else _sources(graph, source, numbers)
    return found
