"""Pair the operations of an artifact with those of its fp32 sibling, by their places in the two networks.

Both are walked from the answer back to the image, side by side: operations that are reached on the same way belong
together, whatever they are called and in whatever order a file lists them. They must be of one kind, with the same
settings, and be given the same. What a precision may do to a network besides storing its values in other types is
known, and undone as it is met (:mod:`edge_cifar.parity.rewrites`); anything else is a mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.parity import rewrites
from edge_cifar.pixels import Quantization
from edge_cifar.readers import BIAS, KERNEL, Link, Network, Operation
from edge_cifar.variant import Variant

# The order of what is added or multiplied makes no difference.
COMMUTATIVE = ("ADD", "MUL", "Add", "Mul", "add", "mul", "maximum", "minimum")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two operations that belong together.

    Attributes:
        exact: the fp32 artifact's.
        given: the other artifact's.
        source: how that one's first value is quantized; None where it is not.
    """

    exact: Operation
    given: Operation
    source: Quantization | None


def pairs(sibling: Variant, exact: Network, given: Network) -> tuple[Pair, ...]:
    """The operations of two networks, side by side.

    Args:
        sibling: the fp32 artifact's variant.
        exact: its network.
        given: that of an artifact of another precision.

    Raises:
        BundleError: they do not compute the same.
    """
    return _Walk(sibling, rewrites.as_given(exact, given), given).pairs()


def same_values(sibling: Variant, exact: Network, given: Network) -> tuple[tuple[Link, Link], ...]:
    """The values of two networks, side by side, as what is computed with each of them is given them.

    Args:
        sibling: what to call the first network.
        exact: one in floats, its pixels scaled where the other's are.
        given: that of an artifact of another precision.

    Returns:
        pairs of what one network and the other give.

    Raises:
        BundleError: they do not compute the same.
    """
    walk = _Walk(sibling, exact, given)
    walk.pairs()
    return tuple(walk.met)


class _Walk:
    def __init__(self, sibling: Variant, exact: Network, given: Network) -> None:
        self._sibling = sibling
        self._exact = exact
        self._given = given
        # By number, both ways: each operation has at most one counterpart.
        self._counterparts: dict[int, int] = {}
        self._originals: dict[int, int] = {}
        self._found: list[Pair] = []
        self.met: list[tuple[Link, Link]] = []

    def pairs(self) -> tuple[Pair, ...]:
        waiting = [(self._exact.answer, self._given.answer)]
        while waiting:
            waiting += self._met(*waiting.pop())
        return tuple(self._found)

    def _met(self, exact: Link, given: Link) -> Sequence[tuple[Link, Link]]:
        """Pair what two links lead to; the links on from there."""
        self.met.append((exact, given))
        exact = rewrites.behind_activations(self._exact, exact, self._operation(given), given)
        here, there = exact.source, given.source
        if here is None or there is None:
            if here == there:
                return ()
            raise BundleError(
                f"{self._does(self._given, given)} where {self._sibling} {self._does(self._exact, exact)}"
            )
        if here in self._counterparts or there in self._originals:
            if self._counterparts.get(here) == there and exact.output == given.output:
                return ()
            raise BundleError(
                f"reads the output of {self._given.operations[there]} where {self._sibling} reads that of "
                f"{self._exact.operations[here]}"
            )
        truth, operation = self._exact.operations[here], self._given.operations[there]
        truth = rewrites.as_convolution(self._exact, truth, operation)
        self._demand_alike(truth, operation)
        self._counterparts[here], self._originals[there] = there, here
        source = operation.links[0].quantizations[-1:] if operation.links else ()
        self._found.append(Pair(exact=truth, given=operation, source=source[0] if source else None))
        return list(zip(truth.links, self._in_order(truth, operation), strict=True))

    def _operation(self, given: Link) -> Operation | None:
        return None if given.source is None else self._given.operations[given.source]

    def _does(self, network: Network, link: Link) -> str:
        return "reads the image" if link.source is None else f"computes {network.operations[link.source]}"

    def _demand_alike(self, truth: Operation, given: Operation) -> None:
        if truth.kind != given.kind:
            raise BundleError(f"computes {given} where {self._sibling} computes {truth}")
        for name in sorted({*truth.settings, *given.settings}):
            expected, found = (one.settings.get(name, "the default") for one in (truth, given))
            if expected != found:
                raise BundleError(f"the {name} of {given} is {found}, in {self._sibling} {expected}")
        if len(truth.links) != len(given.links):
            raise BundleError(f"{given} has {len(given.links)} inputs, in {self._sibling} {len(truth.links)}")
        lacking = sorted({*truth.weights} - {*given.weights})
        added = sorted({*given.weights} - {*truth.weights} - {BIAS})
        if lacking:
            raise BundleError(f"{given} lacks the constant {lacking[0]!r} of {self._sibling}")
        if added:
            raise BundleError(f"{given} has a constant {added[0]!r} that {self._sibling} does not have")

    def _in_order(self, truth: Operation, given: Operation) -> tuple[Link, ...]:
        """What an operation is given, in the order of its counterpart's."""
        if truth.kind not in COMMUTATIVE or len(truth.links) != 2:
            return given.links
        first, second = given.links
        straight = self._alike(truth.links[0], first) and self._alike(truth.links[1], second)
        crossed = self._alike(truth.links[0], second) and self._alike(truth.links[1], first)
        return (second, first) if crossed and not straight else given.links

    def _alike(self, exact: Link, given: Link) -> bool:
        """Whether what two links lead to may belong together, as far as it can be told by itself."""
        operation = self._operation(given)
        exact = rewrites.behind_activations(self._exact, exact, operation, given)
        if exact.source is None or operation is None:
            return exact.source == given.source
        if exact.source in self._counterparts:
            return self._counterparts[exact.source] == given.source
        truth = rewrites.as_convolution(self._exact, self._exact.operations[exact.source], operation)
        if truth.kind != operation.kind or truth.settings != operation.settings:
            return False
        if KERNEL not in truth.weights or KERNEL not in operation.weights:
            return True
        kernels = [one.weights[KERNEL].values.astype(np.float64) for one in (truth, operation)]
        if kernels[0].shape != kernels[1].shape:
            return False
        # Rounding moves weights by less than half of what they are.
        return bool(np.abs(kernels[0] - kernels[1]).sum() < np.abs(kernels[0]).sum() / 2)
