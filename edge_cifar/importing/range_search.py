"""The range of pixels that a model takes: as told, as the model says, or as labelled images show."""

from __future__ import annotations

import shlex
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
from edge_cifar.range_trial import Trial, trial

Ask = Callable[[Preprocessing, Split], NDArray[np.float32]]
"""A model's scores ``[N, scores]`` for images in a range."""

# Ranges that differ by less in accuracy are called equally good.
_NEARLY = 0.02


def search(
    source: str,
    taken: NetworkInput,
    told: Preprocessing,
    stated: Scaling | None,
    images: Split,
    given_range: Range | None,
    labels: tuple[str, ...],
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
        labels: class names, for messages; numbers stand for them where there are none.
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
    if found.reordered is not None:
        raise ModelError(_out_of_order(source, found, found.reordered, labels))
    if given_range is not None:
        pixels = replace(told, input_range=given_range)
        return pixels, f"the images were given so, and none is clearly best ({found.told})"
    raise ModelError(_unclear(source, found))


def _out_of_order(source: str, found: Trial, fitting: Preprocessing, labels: tuple[str, ...]) -> str:
    """That the classes are probably in another order, and how that is told."""
    order = ",".join(labels[number] if labels else str(number) for number in found.order)
    best, accuracy = found.accuracies[0]
    otherwise = ""
    if best.channels == "bgr" and fitting.channels != "bgr" and accuracy > found.guessing:
        otherwise = f"; if the order is right and the model takes BGR, add {best.options}"
    return (
        f"{source} seems to have its classes in another order than the data ({found.told}): it mistakes each "
        f"class for one other; tell the order with --labels {shlex.quote(order)}{otherwise}"
    )


def _unclear(source: str, found: Trial) -> str:
    best, accuracy = found.accuracies[0]
    fitting = [one for one, other in found.accuracies if other >= accuracy - _NEARLY and other > found.guessing]
    fits = "several fit equally well" if len(fitting) > 1 else "none of the usual ones is clearly its own"
    return (
        f"{source} does not say which range of pixels it takes, and {fits} ({found.told}); tell it with --input-range, "
        f"or --mean and --std, such as {best.options}"
    )


def words(chosen: Preprocessing, channels: Channels) -> str:
    """What a range is called, with the channels that the network takes, for people."""
    named = input_ranges.name_of(replace(chosen, channels=channels))
    return named + {"rgb": ", RGB", "gray": ", grayscale"}.get(channels, "")
