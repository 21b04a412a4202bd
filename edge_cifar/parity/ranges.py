"""The value ranges of a quantized artifact, as its converter wrote them.

A scale that feeds no bias is tied to no constant, and answers to a few thousand images leave room for one that is a
tenth too small. So ``export`` writes down the range of every quantized value, and ``verify`` holds the file to it.
Whether a range was chosen well is another question (:mod:`edge_cifar.parity.calibration`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_cifar.parity.pairing import COMMUTATIVE
from edge_cifar.preprocessing import Range
from edge_cifar.readers import Link, Network, Operation

# As a share of a range. They are written with six digits; one step of 8 bits is 4e-3.
_TOLERANCE = 1e-4
_DIGITS = 6

Value = tuple[int | None, int]
"""The number of the operation that computes a value, None for the image, and which of its results it is."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One quantized value.

    Attributes:
        place: what it stands before or behind, in words.
        link: that it is stored on the way of.
        low, high: the least and the largest real number that can be stored.
        step: between two of them.
    """

    place: str
    link: Link
    low: float
    high: float
    step: float

    @property
    def of(self) -> Value:
        """The stored value, for messages."""
        return self.link.source, self.link.output


def stored(network: Network) -> tuple[Stored, ...]:
    """Every quantized value of a network.

    Their order follows from how the network is wired, from the answer back to the image, and neither from names nor
    from the order in which a file lists things.
    """
    return tuple(_walked(network))


def listed(network: Network) -> tuple[Range, ...]:
    """The ranges for the manifest: least and largest number of each value, in the order of :func:`stored`."""
    return tuple((short(value.low), short(value.high)) for value in stored(network))


def wrong_range(told: Sequence[Range], network: Network) -> str | None:
    """How a network's ranges differ from the manifest's, in words; None if they do not.

    Args:
        told: the manifest's, as :func:`listed` gave them.
        network: the artifact's.
    """
    given = stored(network)
    if len(given) != len(told):
        return f"{len(given)} tensors are quantized; the manifest has ranges for {len(told)}"
    for value, (low, high) in zip(given, told, strict=True):
        slack = _TOLERANCE * (high - low)
        # Written so that NaN fails too.
        if not (abs(value.low - low) <= slack and abs(value.high - high) <= slack):
            return (
                f"{value.place} is quantized to the range {value.low:.6g} to {value.high:.6g}; the manifest says "
                f"{low:.6g} to {high:.6g}"
            )
    return None


def _walked(network: Network) -> Iterator[Stored]:
    keys = _keys(network)
    seen: set[int] = set()
    waiting: list[tuple[str, Link]] = [("the output", network.answer)]
    while waiting:
        place, link = waiting.pop()
        for quantization in link.quantizations:
            limits = quantization.real_range()
            if limits is not None:
                yield Stored(place=place, link=link, low=limits[0], high=limits[1], step=quantization.scale)
        if link.source is None or link.source in seen:
            continue
        seen.add(link.source)
        operation = network.operations[link.source]
        waiting += [(f"an input of {operation}", link) for link in reversed(_in_order(operation, keys))]


def _keys(network: Network) -> list[str]:
    """Of each operation, a text that is the same for operations that compute the same of the image."""
    keys: list[str] = []
    for operation in network.operations:
        said = sorted((name, repr(value)) for name, value in operation.settings.items())
        shapes = sorted((place, weight.values.shape) for place, weight in operation.weights.items())
        before = [_key(link, keys) for link in _in_order(operation, keys)]
        keys.append(hashlib.sha256(repr((operation.kind, said, shapes, before)).encode()).hexdigest())
    return keys


def _key(link: Link, keys: Sequence[str]) -> tuple[str, int]:
    return ("" if link.source is None else keys[link.source], link.output)


def _in_order(operation: Operation, keys: Sequence[str]) -> list[Link]:
    """What an operation is given; where the order makes no difference, in one that the file has no say in."""
    if operation.kind not in COMMUTATIVE:
        return list(operation.links)
    return sorted(operation.links, key=lambda link: _key(link, keys))


def short(number: float) -> float:
    """A number as the manifest lists it."""
    return float(f"{number:.{_DIGITS}g}")
