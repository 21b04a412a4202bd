"""The range of pixels that a model takes: as told, as the model says, or as labelled images show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_cifar import input_ranges
from edge_cifar.data import Split
from edge_cifar.errors import ModelError
from edge_cifar.evaluation import scores
from edge_cifar.importing.inputs import NetworkInput
from edge_cifar.importing.scaling import Scaling
from edge_cifar.preprocessing import Channels, Preprocessing, Range
from edge_cifar.range_trial import trial

Ask = Callable[[Preprocessing, Split], NDArray[np.float32]]
"""A model's scores ``[N, scores]`` for images in a range."""


def search(
    source: str,
    taken: NetworkInput,
    told: Preprocessing,
    stated: Scaling | None,
    images: Split,
    given_range: Range | None,
    ask: Ask,
) -> tuple[Preprocessing, str]:
    """The range that a network takes, and on what ground.

    Args:
        source: what messages call the model.
        taken: how it takes an image.
        told: its range, as far as it is told.
        stated: what its own first layers do to pixels; None where they do nothing.
        images: labelled images, by which a range that nothing tells is found.
        given_range: the range of the floats that the images were given as.
        ask: has the model answer.

    Raises:
        UsageError: the range that is told contradicts the model's own layers.
        ModelError: no range is told, and none is clearly the model's.
    """
    if told.tells_range:
        if stated is not None:
            stated.refuse(told, source)
        return told, "as told"
    if stated is not None and len(stated.candidates) == 1:
        pixels = replace(told, input_range=stated.candidates[0])
        return pixels, f"its layer {stated.layer!r} scales pixels itself"
    usual = input_ranges.common("gray" if taken.depth == 1 else told.channels)
    tried = [replace(one, channels=one.channels or told.channels, layout=told.layout) for one in usual]
    if stated is not None and stated.candidates:
        tried = [one for one in tried if one.input_range in stated.candidates]
    found = trial(tried, lambda one, some: scores.of_numbers(ask(one, images.take(some))), images.labels)
    if found.best is not None:
        return found.best, f"clearly the best of the usual ones ({found.told})"
    if given_range is not None:
        return replace(
            told, input_range=given_range
        ), f"the images were given so, and none is clearly best ({found.told})"
    raise ModelError(
        f"{source} does not say which range of pixels it takes, and none of the usual ones is clearly its own "
        f"({found.told}); tell it with --input-range, or --mean and --std"
    )


def words(chosen: Preprocessing, channels: Channels) -> str:
    """What a range is called, with the channels that the network takes, for people."""
    named = input_ranges.name_of(replace(chosen, channels=channels))
    return named + {"rgb": ", RGB", "gray": ", grayscale"}.get(channels, "")
