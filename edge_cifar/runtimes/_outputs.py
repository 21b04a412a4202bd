"""A classifier's output: which one it is, and its scores as one row an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.pixels import text


def demand_one_of_each(source: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse what is no image classifier by its inputs and outputs.

    Args:
        source: the file's name.
        inputs: their names.
        outputs: likewise.

    Raises:
        BundleError: there is not one input, or not one output; the message names them.
    """
    if len(inputs) != 1:
        raise BundleError(f"{source} has {len(inputs)} inputs ({', '.join(inputs)}); an image classifier has one")
    if len(outputs) != 1:
        raise BundleError(
            f"{source} has {len(outputs)} outputs ({', '.join(outputs)}); export it with only the class scores"
        )


def length(shape: Sequence[int]) -> int:
    """How many scores an output of ``shape``, its batch included, holds for an image."""
    return math.prod(shape[1:])


def rows(output: NDArray[Any], images: int, source: str) -> NDArray[Any]:
    """An output's scores as ``[N, scores]``.

    A convolutional head leaves ``[N, C, 1, 1]`` or ``[N, 1, 1, C]``: sides of 1 carry nothing and go.

    Args:
        output: as the runtime gives it.
        images: N.
        source: the file's name, for the message.

    Raises:
        BundleError: the output is not one vector an image.
    """
    shape = output.shape
    if shape == (images,):
        return output.reshape(images, 1)
    sides = [side for side in shape[1:] if side != 1]
    if len(shape) < 2 or shape[0] != images or len(sides) > 1:
        raise BundleError(
            f"{source} outputs shape {text(shape)} for {images} images instead of one score vector per image"
        )
    return output.reshape(images, math.prod(sides))


def only(output: Any) -> NDArray[Any]:
    """The one array in what a model answers, which may wrap it in a dict or a list."""
    while isinstance(output, dict | list | tuple):
        (output,) = output.values() if isinstance(output, dict) else output
    return np.asarray(output)
