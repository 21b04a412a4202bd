"""The model in float32 that artifacts are made from and compared with, loaded: a Keras model, or an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from edge_cifar import keras_graph, packages
from edge_cifar.documents.activations import Activations
from edge_cifar.pixels import Images
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import Runtime

_SUFFIX = ".onnx"


class SourceModel(Protocol):
    """A model from raw RGB pixels to class probabilities."""

    @property
    def native(self) -> Any:
        """The model as converters take it."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What computes it."""
        ...

    @property
    def layers(self) -> Mapping[str, str]:
        """The kind of each layer with weights by its name, in the order in which they are computed."""
        ...

    def activations(self, images: Images) -> Activations:
        """Samples of what its layers answer.

        Args:
            images: uint8 ``[N, H, W, 3]``, a few.
        """
        ...


def is_onnx(path: Path | str) -> bool:
    """Whether a model's file is ONNX, by its suffix, in capitals or not."""
    return Path(path).suffix.lower() == _SUFFIX


def load(path: Path) -> SourceModel:
    """Load a model's file.

    Raises:
        BundleError: the file is missing or damaged, or no classifier of RGB images.
        MissingPackage: what it takes to load it is not installed.
    """
    if is_onnx(path):
        return OnnxModel(path)
    from edge_cifar.runtimes import keras as keras_runtime

    return KerasModel(keras_runtime.load_model(packages.require_keras(), path))


class KerasModel:
    """A Keras model, see :class:`SourceModel`.

    Args:
        model: a flat functional one.
    """

    def __init__(self, model: Any) -> None:
        self.native = model

    @cached_property
    def runtime(self) -> Runtime:
        """Keras itself."""
        from edge_cifar.runtimes import keras as keras_runtime

        return keras_runtime.of_model(self.native)

    @property
    def layers(self) -> Mapping[str, str]:
        """Its convolutions and dense layers."""
        return {layer.name: keras_graph.kind(layer) for layer in keras_graph.weighted(self.native)}

    def activations(self, images: Images) -> Activations:
        """Of all its layers that converted networks hold, too."""
        from edge_cifar.runtimes import keras as keras_runtime

        return keras_runtime.activations(self.native, images)


class OnnxModel:
    """An ONNX file, see :class:`SourceModel`.

    Args:
        path: a file as :mod:`edge_cifar.importing` leaves it.
    """

    def __init__(self, path: Path) -> None:
        from edge_cifar.converters.onnx_start import OnnxStart

        self.native = OnnxStart(path)
        self._path = path

    @cached_property
    def runtime(self) -> Runtime:
        """ONNX Runtime."""
        from edge_cifar import machine
        from edge_cifar.runtimes import onnxruntime

        return onnxruntime.load(self._path, threads=machine.usable_cores())

    @property
    def layers(self) -> Mapping[str, str]:
        """Its convolutions and matrix products."""
        # ONNX Runtime, which folds batch norms for it, warns of what it leaves out.
        with output_capture.captured():
            return self.native.kinds()

    def activations(self, images: Images) -> Activations:
        """Of all its operations."""
        from edge_cifar.readers import onnx, sampling

        return sampling.sampled(onnx, self._path, images)
