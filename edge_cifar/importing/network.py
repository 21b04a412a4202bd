"""A model made elsewhere, whatever it is kept in, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.data.mapped_images import Images
from edge_cifar.importing.inputs import NetworkInput, Size
from edge_cifar.preprocessing import Preprocessing, Range


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A model from raw RGB pixels to class probabilities.

    Attributes:
        model: a flat functional Keras model, or an ONNX model.
        predict: its probabilities float32 ``[N, classes]`` for images.
        save: writes it into a file.
        file: what that is called in a run folder.
        parameters: how many it has.
        multiply_adds: of one inference; None where they cannot be counted.
        packages: that made it.
        input_range: what pixels become before the network takes them, for people.
        ground: why.
        output: what was done to the outputs, for people; empty where nothing was.
    """

    model: Any
    predict: Callable[[Images], NDArray[np.float32]]
    save: Callable[[Path], None]
    file: str
    parameters: int
    multiply_adds: int | None
    packages: tuple[str, ...]
    input_range: str
    ground: str
    output: str


class Network(Protocol):
    """A model, taken apart."""

    @property
    def source(self) -> str:
        """What messages call it."""
        ...

    @property
    def taken(self) -> NetworkInput:
        """How it takes an image."""
        ...

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names, if the file says them."""
        ...

    def adapt(
        self,
        told: Preprocessing,
        images: Split,
        size: Size,
        given_range: Range | None,
        name: str,
        labels: tuple[str, ...] = (),
    ) -> Adapted:
        """Put the whole model together.

        Args:
            told: its range, as far as it is told.
            images: labelled images, by which a range that nothing tells is found.
            size: height and width of the raw images.
            given_range: the range of the floats that the images were given as.
            name: of the whole model.
            labels: class names, for messages; numbers stand for them where there are none.

        Raises:
            UsageError: the range that is told contradicts the model's own layers.
            ModelError: no range is told, and none is clearly the model's; or the model cannot be put together.
        """
        ...
