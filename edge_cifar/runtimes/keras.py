"""Keras itself: the baseline that every artifact is held against. Runs ``.keras`` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import archives, files, packages, quiet
from edge_cifar.activations import Activations
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable, first_line
from edge_cifar.runtimes import PLAIN, Images, Layout, Operator, Probabilities, Range, Runtime, Setup, _keras_layers

SUFFIX = ".keras"
DEVICE = False
LIBRARY = "keras"
# What Keras computes with is chosen by KERAS_BACKEND before it is imported.
BACKENDS = (packages.keras_backend(),)

_EXTRA = "train"
_BATCH = 256


def unavailable(backend: str | None = None) -> str | None:
    """Why Keras cannot run on this machine."""
    if not packages.installed("keras"):
        return str(MissingPackage("keras", _EXTRA))
    return packages.absent_backend()


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load a ``.keras`` file.

    Args:
        path: the file.
        threads: CPU threads that one inference may use. TensorFlow takes the number only before its
            first operation in a process; later ones run with what was set then.
        setup: how to run it.

    Raises:
        MissingPackage: Keras or its backend is not installed.
        BundleError: the file is damaged, or is no image classifier.
    """
    keras = packages.require_keras()
    _pin_threads(threads)
    return KerasRuntime(load_model(keras, path), setup)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """Refused: a compiled Keras model is one call.

    Raises:
        RuntimeUnavailable: always.
    """
    raise RuntimeUnavailable("Keras does not tell how long each layer takes")


def load_model(keras: Any, path: Path) -> Any:
    """A saved Keras model, ready for inference and conversion.

    Raises:
        BundleError: the file is missing or damaged.
    """
    if not path.is_file():
        raise BundleError(f"no Keras model at {path}")
    try:
        archives.demand_modest(path)
        with quiet.captured():
            return keras.saving.load_model(path, compile=False)
    except files.DAMAGE as error:
        raise BundleError(
            f"{path} is not a Keras model that can be loaded ({first_line(error)}); train again"
        ) from error


def of_model(model: Any) -> Runtime:
    """A model that is already in memory, as a runtime.

    Raises:
        BundleError: it is no classifier of RGB images.
    """
    return KerasRuntime(model)


def activations(model: Any, images: Images) -> Activations:
    """Samples of what every layer of a model in memory answers to a few images.

    Args:
        model: a flat functional Keras model.
        images: uint8 ``[N, H, W, 3]``.
    """
    return _keras_layers.sampled(packages.require_keras(), model, images)


class KerasRuntime:
    """A Keras model behind the compiled function of its backend."""

    name = "keras"
    labels = None
    layout: Layout = "nhwc"

    def __init__(self, model: Any, setup: Setup = PLAIN) -> None:
        shape, output = model.input_shape, model.output_shape
        if not (isinstance(shape, tuple) and len(shape) == 4 and shape[3] == 3 and isinstance(output, tuple)):
            raise BundleError(f"the Keras model does not take RGB images: its input has shape {shape}")
        self._model = model
        self.batch = setup.batch
        self.input_range: Range = (0.0, 255.0)
        self.input_shape = (int(shape[1]), int(shape[2]), 3)
        self.classes = int(output[-1])

    def predict(self, images: Images) -> Probabilities:
        if images.ndim != 4 or images.shape[1:] != self.input_shape:
            raise BundleError(f"the model takes images of shape {self.input_shape}, got {images.shape[1:]}")
        probabilities = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH].astype(np.float32)
            probabilities[start : start + len(batch)] = self._model.predict_on_batch(batch)
        return probabilities

    def single(self, image: Images) -> Callable[[], object]:
        batch = np.repeat(image[np.newaxis].astype(np.float32), self.batch, axis=0)
        # Not `predict`, which spends 40 ms on setting up a data pipeline for each call.
        predict_on_batch = self._model.predict_on_batch

        def infer() -> object:
            return predict_on_batch(batch)

        return infer


def _pin_threads(threads: int) -> None:
    if packages.keras_backend() != "tensorflow":
        return
    threading = packages.require_tensorflow().config.threading
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        # TensorFlow has run in this process already and keeps its threads; documented in `load`.
        return
