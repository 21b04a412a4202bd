"""Core ML itself, on macOS: runs ``.mlpackage`` folders on CPU, GPU and Neural Engine."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_cifar import packages
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable, first_line
from edge_cifar.pixels import PLAIN, Ground, ImageInput, Images, Quantization, Setup, demand_images
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import Probabilities, Runtime, _coreml_plan, _outputs, embedded_labels
from edge_cifar.runtimes._shown import Shown

NAME = "coreml"
DEVICE = True
TIMED = True
LIBRARY = "coremltools"

# Which processors Core ML may use, in coremltools' terms.
_COMPUTE_UNITS = {
    "all-units": "ALL",
    "cpu": "CPU_ONLY",
    "cpu-gpu": "CPU_AND_GPU",
    "cpu-neural-engine": "CPU_AND_NE",
}
BACKENDS: tuple[str, ...] = tuple(_COMPUTE_UNITS)
VERIFIED_TOO: tuple[str, ...] = BACKENDS[1:]

_EXTRA = "convert"
_BATCH = 64


def unavailable(backend: str | None = None) -> str | None:
    """Why Core ML cannot run on this machine; where it runs, it takes any choice of compute units."""
    if platform.system() != "Darwin":
        return f"Core ML runs on macOS only; this is {platform.system()}"
    return None if packages.installed("coremltools") else str(MissingPackage("coremltools", _EXTRA))


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load a ``.mlpackage`` folder; Core ML compiles it for this Mac, which takes a while.

    Args:
        path: the folder.
        threads: without effect: Core ML chooses its threads itself.
        setup: how to run it. An image input's range and layout are the package's own business.

    Raises:
        RuntimeUnavailable: this is no Mac, coremltools is not installed, or more than one image is
            wanted in an inference.
        BundleError: the package is damaged, or is no image classifier.
    """
    if setup.batch != 1:
        raise RuntimeUnavailable(f"{path.name} takes one image at a time, not {setup.batch}")
    return CoreML(_model(path, setup), path.name, setup)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """Which processor Core ML means to compute each operation on; it tells no times.

    Args:
        path: the folder.
        image: without effect, as are the threads and the seconds: nothing is run.
        threads: see above.
        setup: which processors may be used.
        seconds: see above.
    """
    model = _model(path, setup)
    coremltools = packages.require(LIBRARY, _EXTRA)
    unit = coremltools.ComputeUnit[_COMPUTE_UNITS[setup.backend or BACKENDS[0]]]
    plans = packages.require("coremltools.models.compute_plan", _EXTRA)
    plan = plans.MLComputePlan.load_from_path(model.get_compiled_model_path(), compute_units=unit)
    return _coreml_plan.operators(plan, path.name)


def _model(path: Path, setup: Setup) -> Any:
    reason = unavailable()
    if reason:
        raise RuntimeUnavailable(reason)
    with output_capture.captured():
        coremltools = packages.require(LIBRARY, _EXTRA)
    try:
        with output_capture.captured():
            unit = coremltools.ComputeUnit[_COMPUTE_UNITS[setup.backend or BACKENDS[0]]]
            return coremltools.models.MLModel(str(path), compute_units=unit)
    except Exception as error:
        # coremltools raises bare Exception for whatever the framework refuses.
        raise BundleError(
            f"{path} is not a model that Core ML can run ({first_line(error)}); export it again"
        ) from error


class CoreML(Shown):
    """A compiled model."""

    name = NAME
    batch = 1
    any_size = False

    def __init__(self, model: Any, source: str, setup: Setup = PLAIN) -> None:
        description = model.get_spec().description
        _outputs.demand_one_input(source, [one.name for one in description.input])
        answers = _answers(description)
        feature = description.input[0]
        self._model = model
        self._input_name = feature.name
        self._takes_image = feature.type.WhichOneof("Type") == "imageType"
        self._input = _image_input(feature, source, setup)
        self.input_shape, self.preprocessing = self._input.shape, self._input.preprocessing
        self.range_ground: Ground = "stated" if self._takes_image else self._input.ground
        self._output_name = answers[_outputs.chosen(source, answers, setup.output)]
        labels = model.user_defined_metadata.get(embedded_labels.LABELS)
        self.labels = embedded_labels.parsed(labels, source) if labels else None
        self.classes = len(self._answer(np.zeros(self.input_shape, np.uint8)))

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, float32 ``[N, classes]``, of raw RGB images, uint8 ``[N, H, W, 3]`` in 0..255."""
        demand_images(images, self.input_shape)
        probabilities = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), _BATCH):
            feeds = [self._feed(image) for image in images[start : start + _BATCH]]
            for offset, output in enumerate(self._model.predict(feeds)):
                probabilities[start + offset] = self._probabilities(output[self._output_name])
        return probabilities

    def single(self, image: Images) -> Callable[[], object]:
        predict, feed = self._model.predict, self._feed(image)

        def infer() -> object:
            return predict(feed)

        return infer

    def _answer(self, image: Images) -> Probabilities:
        return self._probabilities(self._model.predict(self._feed(image))[self._output_name])

    def _feed(self, image: Images) -> dict[str, Any]:
        demand_images(image[np.newaxis], self.input_shape)
        if self._takes_image:
            return {self._input_name: Image.fromarray(image)}
        return {self._input_name: self._input.encode(image[np.newaxis])}

    def _probabilities(self, output: Any) -> Probabilities:
        if not isinstance(output, dict):
            return np.asarray(output, np.float32).reshape(-1)
        # A classifier answers by label and in no order; another's model without our metadata keeps Core ML's.
        labels = self.labels or tuple(output)
        return np.array([output[label] for label in labels], np.float32)


def _answers(description: Any) -> list[str]:
    """Names of the outputs that may hold scores; a classifier says which one does, beside that with the label."""
    named = description.predictedProbabilitiesName
    return [named] if named else [one.name for one in description.output]


def _image_input(feature: Any, source: str, setup: Setup) -> ImageInput:
    number = Quantization(dtype=np.dtype(np.float32))
    if feature.type.WhichOneof("Type") != "imageType":
        return ImageInput.of(tuple(map(int, feature.type.multiArrayType.shape)), number, source, setup)
    if setup.preprocessing != Preprocessing():
        raise BundleError(
            f"{source} has an image input, which it preprocesses itself; omit {setup.preprocessing.options}"
        )
    image = feature.type.imageType
    return ImageInput.of((1, int(image.height), int(image.width), 3), number, source)
