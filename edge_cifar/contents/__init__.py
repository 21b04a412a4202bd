"""What model files hold: one module a format, named as the format is.

A module defines

    weights(path)       the constants in a file as :class:`Weight`, by a name that is the same in its siblings of
                        other precision
    sources(path)       the values on the way from an image to its probabilities, in the order in which they are
                        computed: the name of each, and the names of those that it is computed from
    observe(path, images, observer)   computes images, one operation after the other as the file says, nothing
                        fused or left out, and tells of those values on the way that are real numbers

Files are read by readers of our own; only ``observe`` needs the format's runtime. None of them needs the package
that wrote the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.runtimes import Range
from edge_cifar.runtimes._pixels import Quantization

Numbers = NDArray[np.floating[Any]]

Observer = Callable[[int, str, NDArray[np.float32]], None]
"""Told the number of an image, the name of a value and its real numbers ``[1, ...]``; must not keep the array."""

Sources = dict[str, tuple[str, ...]]


def damaged(path: Path, error: Exception) -> BundleError:
    """The error for a file that does not hold together; ``error`` is what its reader stumbled over."""
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
        values: of a convolution's kernel ``[output channels, input channels of a group, places]``, of its bias
            ``[output channels]``, of anything else as stored. float16 where it is stored in half precision.
        step: of a uniform quantization, to be broadcast to the values; None where there is none.
        palette: the one table that the values were looked up in; None where there is none.
        shifts: of a convolution's bias, the name of its kernel.
        source: of a convolution's bias, how the convolution's input is quantized; None where it is not, and in
            Core ML, whose biases stay floats and tell ``mean_range`` where they are corrected.
        mean_range: of a bias that was corrected for the rounding of its kernel, the least and the largest mean of an
            input channel that the correction was computed from, where the file tells them; None where it does not.
    """

    values: Numbers
    step: Numbers | None = None
    palette: Numbers | None = None
    shifts: str | None = None
    source: Quantization | None = None
    mean_range: Range | None = None

    @property
    def input_means(self) -> Range | None:
        """Between which numbers the means of the convolution's input channels lie; None where that is not known."""
        return self.mean_range or (self.source.real_range() if self.source else None)
