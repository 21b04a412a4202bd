"""A classifier's output: which one it is, and its scores as one row an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.pixels import text


def demand_one_input(source: str, inputs: Sequence[str]) -> None:
    """Refuse what is no image classifier by its inputs.

    Args:
        source: the file's name.
        inputs: their names.

    Raises:
        BundleError: there is not one; the message names them.
    """
    if len(inputs) != 1:
        raise BundleError(f"{source} has {len(inputs)} inputs ({', '.join(inputs)}); an image classifier has one")


def chosen(source: str, outputs: Sequence[str], named: str | None) -> int:
    """The number of the output with the class scores: the one that was named, or the only one.

    Args:
        source: the file's name.
        outputs: their names.
        named: by the user; None for nobody.

    Raises:
        BundleError: there is none of that name, or several and none was named; the message lists them.
    """
    if named is not None:
        if named not in outputs:
            raise BundleError(f"{source} has no output {named!r}; it has {', '.join(outputs) or 'none'}")
        return list(outputs).index(named)
    if len(outputs) != 1:
        raise BundleError(
            f"{source} has {len(outputs)} outputs ({', '.join(outputs)}); name the one with the class scores: "
            "--output-name NAME"
        )
    return 0


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


def picked(output: Any, number: int) -> NDArray[Any]:
    """One array of what a model answers, which may be a dict or a list of several."""
    if isinstance(output, dict | list | tuple):
        output = list(output.values() if isinstance(output, dict) else output)[number]
    return np.asarray(output)
