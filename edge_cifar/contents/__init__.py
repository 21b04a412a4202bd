"""What model files hold: one module a format, named as the format is.

A module defines

    weights(path)       the constants in a file as :class:`Weight`, by a name that is the same in its siblings of
                        other precision
    sources(path)       the values on the way from an image to its probabilities, in order: the name of each, and the
                        names of those that it is computed from
    observe(path, images, observer)   tells of every value, computed one operation after the other as the file says,
                        nothing fused or left out

Files are read by readers of our own; only ``observe`` needs the format's runtime. None of them needs the package
that wrote the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.runtimes._pixels import Quantization

Numbers = NDArray[np.floating[Any]]

Observer = Callable[[str, NDArray[np.float32]], None]
"""Told the name of a value and its real numbers ``[n, ...]`` for a few images; must not keep the array."""

Sources = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A constant of a model file, as the numbers that it stands for.

    Attributes:
        values: of a convolution's kernel ``[output channels, input channels of a group, places]``, of its bias
            ``[output channels]``, of anything else as stored. float16 where it is stored in half precision.
        step: of a uniform quantization, to be broadcast to the values; None where there is none.
        palette: the one table that the values were looked up in; None where there is none.
        shifts: of a convolution's bias, the name of its kernel.
        source: of a convolution's bias, how the convolution's input is quantized; None where it is not.
    """

    values: Numbers
    step: Numbers | None = None
    palette: Numbers | None = None
    shifts: str | None = None
    source: Quantization | None = None
