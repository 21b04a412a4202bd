"""From an opened model to one that takes raw RGB pixels: what it takes and gives, its range found, and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import input_ranges, packages
from edge_cifar.data import Split
from edge_cifar.data.mapped_images import Images
from edge_cifar.errors import ModelError
from edge_cifar.evaluation import scores
from edge_cifar.importing import assembly, outputs, scaling, tracing
from edge_cifar.importing.inputs import NetworkInput, Size, image_input
from edge_cifar.importing.loading import Opened
from edge_cifar.importing.outputs import NetworkOutput
from edge_cifar.model_options import ModelOptions
from edge_cifar.preprocessing import Preprocessing, Range
from edge_cifar.range_trial import trial

_BATCH = 64
_COMPARED = 8
# The copy computes what the model does, in the same order of operations; half precision rounds to a thousandth.
_SAME = 1e-4
_SAME_IN_HALF = 5e-2


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model made elsewhere, taken apart.

    Attributes:
        source: what messages call it.
        original: a functional Keras model.
        copy: the same, flat, in float32, with the output that it classifies with alone.
        taken: how it takes an image.
        output: of the copy.
        chosen: name of that output.
    """

    source: str
    original: Any
    copy: Any
    taken: NetworkInput
    output: NetworkOutput


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A model from raw RGB pixels to class probabilities.

    Attributes:
        model: a flat functional Keras model.
        input_range: what pixels become before the network takes them, for people.
        ground: why.
        output: what was done to the outputs, for people; empty where nothing was.
    """

    model: Any
    input_range: str
    ground: str
    output: str


def take_apart(opened: Opened, options: ModelOptions, data_size: Size | None) -> Network:
    """What a model takes and gives.

    Args:
        opened: the model.
        options: what was told of it.
        data_size: height and width of the images, where they have one of their own.

    Raises:
        ModelError: it is no classifier of one image, or cannot be copied.
        UsageError: it has no output of the name that was told.
    """
    keras = packages.require_keras()
    source = opened.file or opened.name
    told = options.preprocessing
    model = tracing.functional(opened.model, source, told, options.image_size or data_size)
    taken = image_input(model, source, told=told, image_size=options.image_size, data_size=data_size)
    given = outputs.class_output(model, source, options.output)
    original = keras.Model(model.inputs[0], given.tensor, name="original")
    copy = assembly.network(keras, original, source)
    output = replace(given, tensor=copy.outputs[0])
    return Network(source=source, original=original, copy=copy, taken=taken, output=output)


def adapt(
    network: Network, told: Preprocessing, images: Split, size: Size, given_range: Range | None, name: str
) -> Adapted:
    """Put the whole model together.

    Args:
        network: the model.
        told: its range, as far as it is told.
        images: labelled images, by which a range that nothing tells is found.
        size: height and width of the raw images.
        given_range: the range of the floats that the images were given as.
        name: of the whole model.

    Raises:
        UsageError: the range that is told contradicts the model's own layers.
        ModelError: no range is told, and none is clearly the model's; or the model cannot be put together.
    """
    keras = packages.require_keras()
    fronts: dict[Preprocessing, tuple[NetworkInput, Any]] = {}

    def front(preprocessing: Preprocessing) -> tuple[NetworkInput, Any]:
        if preprocessing not in fronts:
            taken = replace(network.taken, channels=preprocessing.channels or network.taken.channels)
            names = {layer.name for layer in network.copy.layers}
            fronts[preprocessing] = taken, assembly.front(keras, taken, preprocessing, size, names)
        return fronts[preprocessing]

    def ask(preprocessing: Preprocessing, some: Split) -> NDArray[np.float32]:
        return _answers(network, front(preprocessing)[1], some.images)

    chosen, ground = _range(network, told, images, given_range, ask)
    taken, before = front(chosen)
    some = np.asarray(images.images[:_BATCH])
    answers = _answers(network, before, some)
    if not scores.are_numbers(answers):
        raise ModelError(f"{network.source} outputs NaN or infinity")
    finish = outputs.finish(network.copy, network.output, answers)
    model = assembly.assembled(keras, before, network.copy, network.output, finish, name)
    _demand_same(network, before, model, some[:_COMPARED], finish)
    words = input_ranges.name_of(replace(chosen, channels=taken.channels))
    words += {"rgb": ", RGB", "gray": ", grayscale"}.get(taken.channels, "")
    return Adapted(model=model, input_range=words, ground=ground, output=outputs.SAID[finish])


def _range(
    network: Network, told: Preprocessing, images: Split, given_range: Range | None, ask: Any
) -> tuple[Preprocessing, str]:
    """The range that the network takes, and on what ground."""
    stated = scaling.stated(packages.require_keras(), network.copy, network.taken)
    if told.tells_range:
        if stated is not None:
            stated.refuse(told, network.source)
        return told, "as told"
    if stated is not None and len(stated.candidates) == 1:
        pixels = replace(told, input_range=stated.candidates[0])
        return pixels, f"its layer {stated.layer!r} scales pixels itself"
    usual = input_ranges.common("gray" if network.taken.depth == 1 else told.channels)
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
        f"{network.source} does not say which range of pixels it takes, and none of the usual ones is clearly its own "
        f"({found.told}); tell it with --input-range, or --mean and --std"
    )


def _answers(network: Network, before: Any, images: Images) -> NDArray[np.float32]:
    """The network's scores ``[N, scores]`` for raw images."""
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = np.asarray(images[start : start + _BATCH]).astype(np.float32)
        given = np.asarray(before(batch, training=False))
        parts.append(np.asarray(network.copy.predict_on_batch(given), np.float32).reshape(len(batch), -1))
    return np.concatenate(parts)


def _demand_same(network: Network, before: Any, model: Any, images: NDArray[np.uint8], finish: outputs.Finish) -> None:
    """Hold the whole model to the one that was given.

    Raises:
        ModelError: they differ.
    """
    # Called, not compiled: it is a single time.
    pixels = images.astype(np.float32)
    given = np.asarray(network.original(before(pixels, training=False), training=False), np.float32)
    expected = outputs.finished(given.reshape(len(images), -1), finish)
    difference = float(np.abs(np.asarray(model(pixels, training=False)) - expected).max())
    half = any("16" in str(getattr(layer, "compute_dtype", "")) for layer in network.original.layers)
    if not difference <= (_SAME_IN_HALF if half else _SAME):
        raise ModelError(
            f"{network.source} cannot be taken over: put together with its preprocessing it differs by {difference:.2g}"
        )
