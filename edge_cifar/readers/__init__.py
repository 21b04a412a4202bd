"""Contents of model files: one module per format, see :class:`Reader`.

Files are read by readers of our own; only :meth:`Reader.observe` needs the format's runtime. None of them needs the
package that wrote the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.pixels import Images, Quantization
from edge_cifar.preprocessing import Range

Numbers = NDArray[np.floating[Any]]

Observer = Callable[[int, str, NDArray[np.float32]], None]
"""Told the number of an image, the name of a value and its real numbers ``[1, ...]``; must not keep the array."""

Sources = dict[str, tuple[str, ...]]

KERNEL, BIAS, OPERAND = "kernel", "bias", "operand"
"""Places of the constants of a convolution or a matrix product, and of what is added to a value or multiplies it."""


def damaged(path: Path, error: Exception) -> BundleError:
    """The error for a damaged file; ``error`` is what its reader raised."""
    return BundleError(f"{path} is damaged ({error}); export it again")


def wired(inputs: Iterable[str], operations: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Sources:
    """The values that depend on what a graph is fed, each with those of them that it is computed from.

    Args:
        inputs: names of the values that are fed.
        operations: names of the inputs and the outputs of each, in order.
    """
    found: Sources = dict.fromkeys(inputs, ())
    for taken, given in operations:
        sources = tuple(name for name in taken if name in found)
        if sources:
            found.update((name, sources) for name in given if name not in found)
    return found


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A constant of a model file, as the numbers that it stands for.

    Attributes:
        values: of a convolution's kernel ``[output channels, input channels of a group, places]``, of a matrix
            ``[outputs, inputs]``, of a bias ``[outputs]``, of anything else as stored. float16 where it is stored in
            half precision.
        step: of a uniform quantization, to be broadcast to the values; None where there is none.
        palette: the one table that the values were looked up in; None where there is none.
        mean_range: of a bias that was corrected for the rounding of its kernel, the least and the largest mean of an
            input channel that the correction was computed from, where the file tells them; None where it does not.
    """

    values: Numbers
    step: Numbers | None = None
    palette: Numbers | None = None
    mean_range: Range | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """An input of an operation.

    Attributes:
        source: number of the operation that computes it; None for the image.
        output: which of that operation's results it is.
        quantizations: how it is stored on the way, from its source on; equal ones that follow each other once.
    """

    source: int | None
    output: int = 0
    quantizations: tuple[Quantization, ...] = ()

    def stored(self, quantization: Quantization | None) -> Link:
        """The same value after one more quantization."""
        if quantization is None or self.quantizations[-1:] == (quantization,):
            return self
        return Link(source=self.source, output=self.output, quantizations=(*self.quantizations, quantization))


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a network.

    Attributes:
        kind: the format's own name of its operator.
        name: the file's name of it, for messages.
        settings: whatever else says what it computes: strides, axes, a joined activation, ...; a setting that has
            its default value is left out.
        links: the values that it is given, in order.
        weights: its constants of floating point, or made of one, by place.
        outputs: the names of its results, as ``observe`` tells them; nothing that it computes.
    """

    kind: str
    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    weights: Mapping[str, Weight] = field(default_factory=dict)
    outputs: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True, kw_only=True)
class Network:
    """The operations of a file; none that only stores a value in another type.

    Attributes:
        operations: each behind those that it is computed from.
        answer: the probabilities.
    """

    operations: tuple[Operation, ...]
    answer: Link


class Reader(Protocol):
    """A module that reads the files of a format."""

    def network(self, path: Path) -> Network:
        """The operations in a file, with their settings, their constants and how values are quantized between them,
        free of names and of the order in which the file lists them.

        Raises:
            BundleError: the file is damaged.
        """
        ...

    def sources(self, path: Path) -> Sources:
        """The values on the way from an image to its probabilities, in the order in which they are computed.

        Returns:
            The name of each, with the names of those that it is computed from.

        Raises:
            BundleError: the file is damaged.
        """
        ...

    def observe(self, path: Path, images: Images, observer: Observer) -> None:
        """Compute images, one operation after the other as the file says, nothing fused or left out.

        Args:
            path: the file or folder.
            images: uint8 ``[N, H, W, 3]``.
            observer: told of those values on the way that are real numbers.

        Raises:
            RuntimeUnavailable: what computes them cannot run on this machine.
            BundleError: the file is damaged.
        """
        ...
