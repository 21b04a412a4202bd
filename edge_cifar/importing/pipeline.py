"""From an opened model to one that takes raw RGB pixels: what it takes and gives, its range found, and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.data.mapped_images import Images
from edge_cifar.errors import ModelError
from edge_cifar.evaluation import scores
from edge_cifar.importing import assembly, outputs, range_search, scaling, tracing
from edge_cifar.importing.inputs import NetworkInput, Size, image_input
from edge_cifar.importing.loading import Opened
from edge_cifar.importing.network import Adapted, Network
from edge_cifar.importing.onnx_network import OnnxNetwork
from edge_cifar.importing.outputs import NetworkOutput
from edge_cifar.model_options import ModelOptions
from edge_cifar.preprocessing import Preprocessing, Range
from edge_cifar.training.complexity import multiply_adds

_BATCH = 64
_COMPARED = 8
# The copy computes what the model does, in the same order of operations; half precision rounds to a thousandth.
_SAME = 1e-4
_SAME_IN_HALF = 5e-2


@dataclass(frozen=True, kw_only=True)
class KerasNetwork:
    """A Keras model, taken apart; see :class:`edge_cifar.importing.network.Network`.

    Attributes:
        source: what messages call it.
        original: a functional Keras model.
        copy: the same, flat, in float32, with the output that it classifies with alone.
        taken: how it takes an image.
        output: of the copy.
    """

    source: str
    original: Any
    copy: Any
    taken: NetworkInput
    output: NetworkOutput

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        return self.output.classes

    @property
    def labels(self) -> None:
        """Keras models name no classes."""
        return

    def adapt(
        self,
        told: Preprocessing,
        images: Split,
        size: Size,
        given_range: Range | None,
        name: str,
        labels: tuple[str, ...] = (),
    ) -> Adapted:
        """Put the whole model together."""
        keras = packages.require_keras()
        from edge_cifar.training.loop import predict

        names = {layer.name for layer in self.copy.layers}

        @cache
        def front(preprocessing: Preprocessing) -> tuple[NetworkInput, Any]:
            taken = self.taken.with_channels(preprocessing.channels)
            return taken, assembly.front(keras, taken, preprocessing, size, names)

        def ask(preprocessing: Preprocessing, some: Split) -> NDArray[np.float32]:
            return _answers(self, front(preprocessing)[1], some.images)

        stated = scaling.stated(keras, self.copy, self.taken)
        chosen, ground = range_search.search(self.source, self.taken, told, stated, images, given_range, labels, ask)
        taken, before = front(chosen)
        some = np.asarray(images.images[:_BATCH])
        answers = _answers(self, before, some)
        if not scores.are_numbers(answers):
            raise ModelError(f"{self.source} outputs NaN or infinity")
        finish = outputs.finish(outputs.activation(self.copy, self.output.tensor), answers)
        model = assembly.assembled(keras, before, self.copy, self.output, finish, name)
        _demand_same(self, before, model, some[:_COMPARED], finish)
        return Adapted(
            model=model,
            predict=partial(predict, model),
            save=model.save,
            file="model.keras",
            parameters=model.count_params(),
            multiply_adds=_multiply_adds(model),
            packages=("keras", "tensorflow"),
            input_range=range_search.words(chosen, taken.channels),
            ground=ground,
            output=outputs.SAID[finish],
        )


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
    if opened.onnx_file is not None:
        return OnnxNetwork(opened.onnx_file, opened.model, options, data_size)
    keras = packages.require_keras()
    source = opened.file or opened.name
    told = options.preprocessing
    model = tracing.functional(opened.model, source, told, options.image_size or data_size)
    taken = image_input(model, source, told=told, image_size=options.image_size, data_size=data_size)
    given = outputs.class_output(model, source, options.output)
    original = keras.Model(model.inputs[0], given.tensor, name="original")
    copy = assembly.network(keras, original, source)
    output = replace(given, tensor=copy.outputs[0])
    return KerasNetwork(source=source, original=original, copy=copy, taken=taken, output=output)


def _answers(network: KerasNetwork, before: Any, images: Images) -> NDArray[np.float32]:
    """The network's scores ``[N, scores]`` for raw images."""
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = np.asarray(images[start : start + _BATCH]).astype(np.float32)
        given = np.asarray(before(batch, training=False))
        parts.append(np.asarray(network.copy.predict_on_batch(given), np.float32).reshape(len(batch), -1))
    return np.concatenate(parts)


def _demand_same(
    network: KerasNetwork, before: Any, model: Any, images: NDArray[np.uint8], finish: outputs.Finish
) -> None:
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


def _multiply_adds(model: Any) -> int | None:
    """As ``train`` counts them; None where a layer is of a kind whose cost is not known."""
    try:
        return multiply_adds(model)
    except (TypeError, ValueError, AttributeError):
        return None
