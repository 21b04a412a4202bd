"""Which operation of a converted network came from which layer, told by their weights.

Converters fuse, rename and reorder; what stays is each filter's direction. Folding a batch norm only
stretches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages

Filters = NDArray[np.floating[Any]]

# Folding rounds a float32 once: 1e-6. Filters of different layers are as good as never so alike.
_ALIKE = 0.9999


def weighted(model: Any) -> list[Any]:
    """A Keras model's convolutions and dense layers, in the order in which they are computed."""
    layers = packages.require_keras().layers
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense)]


def filters(layer: Any) -> Filters:
    """A layer's weights, ``[outputs, weights of one]``; those of one as height, width, input."""
    kernel = layer.kernel.numpy()
    if isinstance(layer, packages.require_keras().layers.DepthwiseConv2D):
        return np.asarray(kernel.reshape(-1, kernel.shape[2] * kernel.shape[3]).T)
    return np.asarray(kernel.reshape(-1, kernel.shape[-1]).T)


def match(model: Any, found: Mapping[str, Filters]) -> dict[str, str]:
    """Find the layers that operations came from.

    Args:
        model: a Keras model.
        found: by the operation's name, its weights in the form of :func:`filters`.

    Returns:
        the names of layers by the names of operations; operations that no layer is like are left out.
    """
    directions = {name: _directions(weights) for name, weights in found.items()}
    matched: dict[str, str] = {}
    for layer in weighted(model):
        wanted = _directions(filters(layer))
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
