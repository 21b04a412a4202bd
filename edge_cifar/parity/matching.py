"""Match the values of an artifact with the layers of the Keras model, by their numbers.

Names do not tell: converters fold a batch norm into a convolution, join an activation to it, name the product after
any of them, and quantizers name what they insert. So a layer is matched with the value nearest to it in numbers
among those of its shape, pairs that are nearest first, and a pair is kept only where it agrees with all that were
kept before it: of two layers, one may be computed from the other exactly where the same is true of their values.
Layers that were folded into others then find no value left, or one that is unlike them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.activations import Activations, Layer, positions
from edge_cifar.readers import Observer, Sources

Values = NDArray[np.float32]
Shape = tuple[int, ...]
Name = TypeVar("Name")

# As far from a layer as its own mean: a value unrelated to it.
_UNLIKE = 1.0


@dataclass(frozen=True, kw_only=True)
class Match:
    """A layer and its matching value.

    Attributes:
        layer: its number among the activations' layers.
        value: name of the artifact's value.
        error: root mean square of their difference, as a share of the layer's own standard deviation.
        max_abs_diff: largest difference of two numbers.
    """

    layer: int
    value: str
    error: float
    max_abs_diff: float


@dataclass
class _Candidate:
    """Samples of one value, taken as if it were a layer of one shape in one order of its dimensions."""

    value: str
    shape: Shape
    samples: list[Values] = field(default_factory=list)


def match(activations: Activations, sources: Sources, observe: Callable[[Observer], None]) -> tuple[Match, ...]:
    """Find the values of an artifact that are layers of the Keras model.

    Args:
        activations: the layers' samples.
        sources: the artifact's values, each with those that it is computed from.
        observe: computes the images and tells an observer of all values.

    Returns:
        One match a layer that has one, in the layers' order.
    """
    candidates = _sampled(activations, observe)
    pairs = [
        Match(layer=number, value=candidate.value, error=error, max_abs_diff=difference)
        for number, layer in enumerate(activations.layers)
        for candidate in candidates
        if candidate.shape == layer.shape
        for error, difference in [_distance(layer.values, np.stack(candidate.samples))]
        if error < _UNLIKE
    ]
    nearest = _kept(sorted(pairs, key=lambda pair: pair.error), activations.layers, sources)
    return tuple(sorted(nearest, key=lambda pair: pair.layer))


def _sampled(activations: Activations, observe: Callable[[Observer], None]) -> list[_Candidate]:
    shapes = {layer.shape for layer in activations.layers}
    chosen = {shape: positions(math.prod(shape), activations.images) for shape in shapes}
    found: dict[tuple[str, Shape, int], _Candidate] = {}

    def keep(image: int, name: str, value: Values) -> None:
        for shape in shapes:
            for order, flat in enumerate(_as_layer(value, shape)):
                candidate = found.setdefault((name, shape, order), _Candidate(name, shape))
                candidate.samples.append(flat[chosen[shape][image]])

    observe(keep)
    return list(found.values())


def _as_layer(value: Values, shape: Shape) -> Iterator[Values]:
    """A value's numbers in the order of a layer of that shape, in each way in which it can be one."""
    if value.size != math.prod(shape):
        return
    sides = tuple(side for side in value.shape if side != 1)
    wanted = tuple(side for side in shape if side != 1)
    if sides == wanted:
        yield value.reshape(-1)
    if len(shape) == 3 and sides == tuple(side for side in (shape[2], *shape[:2]) if side != 1) and shape[2] > 1:
        # Channels first.
        yield value.reshape(shape[2], -1).T.reshape(-1)


def _distance(layer: Values, value: Values) -> tuple[float, float]:
    """Error and largest difference; infinite where a number is none."""
    expected, given = layer.astype(np.float64), value.astype(np.float64)
    difference = np.abs(expected - given)
    if not np.isfinite(difference).all():
        return math.inf, math.inf
    # A layer of a single number repeated, such as all zeros, is measured by that number.
    scale = expected.std() or np.abs(expected).max() or 1.0
    return float(np.sqrt((difference**2).mean()) / scale), float(difference.max())


def _kept(pairs: Iterable[Match], layers: Sequence[Layer], sources: Sources) -> Iterator[Match]:
    """Those pairs, nearest first, that contradict none before them."""
    layer_before = _ancestors({number: layer.sources for number, layer in enumerate(layers)})
    value_before = _ancestors(sources)
    kept: dict[int, Match] = {}
    taken: set[str] = set()
    for pair in pairs:
        if pair.layer in kept or pair.value in taken:
            continue
        agrees = all(
            (other.layer in layer_before[pair.layer]) == (other.value in value_before[pair.value])
            and (pair.layer in layer_before[other.layer]) == (pair.value in value_before[other.value])
            for other in kept.values()
        )
        if agrees:
            kept[pair.layer] = pair
            taken.add(pair.value)
            yield pair


def _ancestors(sources: Mapping[Name, tuple[Name, ...]]) -> dict[Name, frozenset[Name]]:
    """All that each thing is computed from, directly or not; sources stand before what is made of them."""
    found: dict[Name, frozenset[Name]] = {}
    for name, direct in sources.items():
        found[name] = frozenset(direct).union(*(found[source] for source in direct))
    return found
