"""Which operation of a converted network came from which layer, told by their weights.

Converters fuse, rename and reorder; what stays is each filter's direction. Folding a batch norm only
stretches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import keras_graph

Filters = NDArray[np.floating[Any]]

# Folding rounds a float32 once: 1e-6. Filters of different layers are as good as never so alike.
_ALIKE = 0.9999


def match(model: Any, found: Mapping[str, Filters]) -> dict[str, str]:
    """Find the layers that operations came from.

    Args:
        model: a Keras model.
        found: by the operation's name, its weights, ``[outputs, weights of one]``; those of one in the
            order height, width, input.

    Returns:
        the names of layers by the names of operations; operations that no layer is like are left out.
    """
    directions = {name: _directions(weights) for name, weights in found.items()}
    matched: dict[str, str] = {}
    for layer in keras_graph.weighted(model):
        wanted = _directions(keras_graph.by_filter(layer, layer.get_weights()[0]).T)
        for name, candidate in directions.items():
            if name not in matched and candidate.shape == wanted.shape and _alike(wanted, candidate):
                matched[name] = layer.name
                break
    return matched


def _directions(weights: Filters) -> Filters:
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(weights / np.where(lengths > 0, lengths, 1))


def _alike(wanted: Filters, candidate: Filters) -> bool:
    # A batch norm may turn a filter round, or silence it.
    agreement = np.abs((wanted * candidate).sum(axis=1))
    silent = ~(wanted.any(axis=1) & candidate.any(axis=1))
    return bool(np.all(silent | (agreement > _ALIKE)) and not silent.all())
