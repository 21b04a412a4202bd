"""Keras itself: the baseline that every artifact is held against. Runs ``.keras`` and ``.h5`` files."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import keras_graph, packages, traced_graph
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable, first_line
from edge_cifar.pixels import PLAIN, Ground, ImageInput, Images, Quantization, Setup, demand_images
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import Probabilities, Runtime, _keras_layers, _outputs
from edge_cifar.runtimes._remedies import refusal, remedy
from edge_cifar.runtimes._shown import Shown
from edge_cifar.storage import archives, files, scratch

NAME = "keras"
SUFFIX = ".keras"
DEVICE = False
TIMED = True
LIBRARY = "keras"
# What Keras computes with is chosen by KERAS_BACKEND before it is imported.
BACKENDS: tuple[str, ...] = (packages.keras_backend(),)
VERIFIED_TOO: tuple[str, ...] = ()

_EXTRA = "train"
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK"
_BATCH = 256
# Weights pack badly: those of a sound file take about as much as it does, and small files may be mostly zeros.
_MOST_RATIO = 8
_MOST_UNPACKED_BYTES = 500_000_000
_REMEDIES = (
    (
        "lambda",
        "it contains code (a Lambda layer), which is not run from files; build it from layers and save it again",
    ),
    ("could not locate class", "it has a custom layer; build it from Keras' own layers and save it again"),
    ("unknown layer", "it has a custom layer; build it from Keras' own layers and save it again"),
    ("no model config found", "it contains weights only; save the whole model with model.save(...)"),
    ("unrecognized keyword arguments", "it was written by another version of Keras; save it again with this one"),
)
_NO_REMEDY = "save it or train it again"


def unavailable(backend: str | None = None) -> str | None:
    """Why Keras cannot run on this machine."""
    if not packages.installed("keras"):
        return str(MissingPackage("keras", _EXTRA))
    return packages.absent_backend()


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load a ``.keras`` file, or an ``.h5`` one of Keras 2 or 3.

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
    return KerasRuntime(read(keras, path), setup, path.name)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """Refused: a compiled Keras model is one call.

    Raises:
        RuntimeUnavailable: always.
    """
    raise RuntimeUnavailable("Keras does not report times per layer")


def load_model(keras: Any, path: Path) -> Any:
    """A saved Keras model, ready for conversion: one flat graph of layers, be it Sequential or nested.

    Raises:
        BundleError: the file is missing or damaged.
    """
    return keras_graph.flat(keras, read(keras, path))


def read(keras: Any, path: Path, *, trust: bool = False) -> Any:
    """A saved Keras model as it is.

    Args:
        keras: the namespace.
        path: a ``.keras`` or ``.h5`` file.
        trust: whether code that the file contains is run.

    Raises:
        BundleError: the file is missing or damaged, or contains code; what Keras raised is its cause.
    """
    if not path.is_file():
        raise BundleError(f"no Keras model at {path}")
    try:
        _demand_kind(path)
        if path.suffix.lower() == SUFFIX:
            archives.demand_modest(path)
        else:
            _demand_modest_weights(path)
        with output_capture.captured():
            return _loaded(keras, path, trust)
    except files.DAMAGE as error:
        if known := remedy(error, _REMEDIES, ""):
            raise BundleError(f"{path} cannot be loaded: {known}") from error
        raise BundleError(refusal(str(path), "Keras model that can be loaded", error, (), _NO_REMEDY)) from error


def _demand_kind(path: Path) -> None:
    """Refuse a file by its first bytes.

    Raises:
        BundleError: it is empty, or of another kind than its name says.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(len(_HDF5))
    is_zip = path.suffix.lower() == SUFFIX
    if not start:
        raise BundleError(f"{path} is empty; copy it again, or save the model again")
    if is_zip and start == _HDF5:
        raise BundleError(f"{path} is an HDF5 file; rename it to {path.with_suffix('.h5').name}")
    if not is_zip and start.startswith(_ZIP):
        raise BundleError(f"{path} is a .keras file; rename it to {path.with_suffix(SUFFIX).name}")
    if is_zip and start.startswith(_ZIP) and not zipfile.is_zipfile(path):
        raise BundleError(f"{path} is incomplete; copy or download it again, or save the model again")


def _demand_modest_weights(path: Path) -> None:
    """Refuse an HDF5 file whose arrays claim far more than it holds: they would be given memory before they are read.

    Raises:
        ValueError: they do.
        OSError: it is no HDF5 file.
    """
    claimed: list[int] = []

    def count(name: str, member: Any) -> None:
        claimed.append(getattr(member, "nbytes", 0))

    with packages.require("h5py", _EXTRA).File(path, "r") as archive:
        archive.visititems(count)
    if sum(claimed) > max(_MOST_UNPACKED_BYTES, _MOST_RATIO * path.stat().st_size):
        raise ValueError(f"it declares {sum(claimed):,} bytes of weights")


def _loaded(keras: Any, path: Path, trust: bool) -> Any:
    if keras.backend.backend() == "tensorflow":
        # Imported models may have layers of this class, which Keras must know by then.
        traced_graph.layer_class()
    if path.suffix == path.suffix.lower():
        return keras.saving.load_model(path, compile=False, safe_mode=not trust)
    # Keras tells its formats apart by suffixes in small letters.
    with scratch.folder("keras") as folder:
        link = folder / path.with_suffix(path.suffix.lower()).name
        link.symlink_to(path.resolve())
        return keras.saving.load_model(link, compile=False, safe_mode=not trust)


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


class KerasRuntime(Shown):
    """A Keras model behind the compiled function of its backend."""

    name = NAME
    labels = None

    def __init__(self, model: Any, setup: Setup = PLAIN, source: str = "the Keras model") -> None:
        if inputs := getattr(model, "inputs", None):
            _outputs.demand_one_input(source, [one.name for one in inputs])
        shape = getattr(model, "input_shape", None)
        if not isinstance(shape, tuple) or not all(side is None or isinstance(side, int) for side in shape):
            raise BundleError(f"{source} does not take images: its input has shape {shape}")
        self._output = _outputs.chosen(source, _answers(model), setup.output)
        self._model = model
        self._source = source
        self._input = ImageInput.of(shape, Quantization(dtype=np.dtype(np.float32)), source, setup)
        self.batch = setup.batch
        self.input_shape, self.any_size = self._input.shape, self._input.any_size
        self.preprocessing = self._input.preprocessing
        self.classes = self._scores(model.outputs[self._output].shape)

    @property
    def range_ground(self) -> Ground:
        """Why."""
        ground = self._input.ground
        return "stated" if ground == "assumed" and _keras_layers.scales_its_pixels(self._model) else ground

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, float32 ``[N, classes]``, of raw RGB images, uint8 ``[N, H, W, 3]`` in 0..255."""
        demand_images(images, None if self.any_size else self.input_shape)
        probabilities = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), _BATCH):
            # Batch by batch: in floats all images take four times their memory.
            batch = self._input.encode(images[start : start + _BATCH])
            with self._faults():
                answers = _outputs.picked(self._model.predict_on_batch(batch), self._output)
            probabilities[start : start + len(batch)] = _outputs.rows(answers, len(batch), self._source)
        return probabilities

    def single(self, image: Images) -> Callable[[], object]:
        batch = np.repeat(self._input.encode(image[np.newaxis]), self.batch, axis=0)
        # Not `predict`, which spends 40 ms on setting up a data pipeline for each call.
        predict_on_batch = self._model.predict_on_batch

        def infer() -> object:
            return predict_on_batch(batch)

        return infer

    def _scores(self, shape: tuple[int | None, ...]) -> int:
        """How many scores an image gets: by the output's shape, or where that is open by trying."""
        sides = shape[1:]
        if None not in sides:
            return math.prod(side for side in sides if side is not None)
        with self._faults():
            nothing = self._input.encode(np.zeros((1, *self.input_shape), np.uint8))
            answers = _outputs.picked(self._model.predict_on_batch(nothing), self._output)
        return int(_outputs.rows(answers, 1, self._source).shape[1])

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What a model cannot compute, images too small for its layers among it, as our own error."""
        try:
            yield
        except Exception as error:
            # Each backend has errors of its own, which share no base but Exception.
            raise BundleError(f"{self._source} cannot process images of this shape ({first_line(error)})") from error


def _answers(model: Any) -> list[str]:
    """Names of a model's outputs."""
    return list(keras_graph.outputs_by_name(model))


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
