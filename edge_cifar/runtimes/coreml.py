"""Core ML itself, on macOS: runs ``.mlpackage`` folders on CPU, GPU and Neural Engine."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from edge_cifar import packages, quiet
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable
from edge_cifar.runtimes import Images, Probabilities, Runtime, _labels

SUFFIX = ".mlpackage"
DEVICE = True
LIBRARY = "coremltools"

ComputeUnits = Literal["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"]

_EXTRA = "convert"
_BATCH = 64


def unavailable() -> str | None:
    """Why Core ML cannot run on this machine."""
    if platform.system() != "Darwin":
        return f"Core ML runs on macOS only, this is {platform.system()}"
    return None if packages.installed("coremltools") else str(MissingPackage("coremltools", _EXTRA))


def load(path: Path, *, threads: int = 1, compute_units: ComputeUnits = "ALL") -> Runtime:
    """Load a ``.mlpackage`` folder; Core ML compiles it for this Mac, which takes a while.

    Args:
        path: the folder.
        threads: without effect: Core ML chooses its threads itself.
        compute_units: which processors Core ML may use.

    Raises:
        RuntimeUnavailable: this is no Mac, or coremltools is not installed.
        BundleError: the package is damaged, or is no image classifier.
    """
    reason = unavailable()
    if reason:
        raise RuntimeUnavailable(reason)
    with quiet.captured():
        coremltools = packages.require(LIBRARY, _EXTRA)
    try:
        with quiet.captured():
            model = coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit[compute_units])
    except Exception as error:
        # coremltools raises bare Exception for whatever the framework refuses.
        message = str(error).strip().partition("\n")[0]
        raise BundleError(f"{path} is not a model that Core ML can run ({message}); export it again") from error
    return CoreML(model, path.name)


class CoreML:
    """A compiled model."""

    name = "coreml"

    def __init__(self, model: Any, source: str) -> None:
        description = model.get_spec().description
        if len(description.input) != 1:
            raise BundleError(f"{source} has {len(description.input)} inputs; an image classifier has one")
        feature = description.input[0]
        self._model = model
        self._input_name = feature.name
        self._takes_image = feature.type.WhichOneof("Type") == "imageType"
        self.input_shape = _image_shape(feature, source)
        self._channels_first = not self._takes_image and feature.type.multiArrayType.shape[-1] != 3
        self._output_name = description.predictedProbabilitiesName or description.output[0].name
        labels = model.user_defined_metadata.get(_labels.LABELS)
        self.labels = _labels.parsed(labels, source) if labels else None
        self.classes = len(self._answer(np.zeros(self.input_shape, np.uint8)))

    def predict(self, images: Images) -> Probabilities:
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
        if image.shape != self.input_shape:
            raise BundleError(f"the model takes images of shape {self.input_shape}, got {image.shape}")
        if self._takes_image:
            return {self._input_name: Image.fromarray(image)}
        ordered = image.transpose(2, 0, 1) if self._channels_first else image
        return {self._input_name: ordered[np.newaxis].astype(np.float32)}

    def _probabilities(self, output: Any) -> Probabilities:
        if not isinstance(output, dict):
            return np.asarray(output, np.float32).reshape(-1)
        # A classifier answers by label and in no order; another's model without our metadata keeps Core ML's.
        labels = self.labels or tuple(output)
        return np.array([output[label] for label in labels], np.float32)


def _image_shape(feature: Any, source: str) -> tuple[int, int, int]:
    if feature.type.WhichOneof("Type") == "imageType":
        return int(feature.type.imageType.height), int(feature.type.imageType.width), 3
    shape = tuple(feature.type.multiArrayType.shape)
    if len(shape) == 4 and shape[3] == 3:
        return int(shape[1]), int(shape[2]), 3
    if len(shape) == 4 and shape[1] == 3:
        return int(shape[2]), int(shape[3]), 3
    raise BundleError(f"{source} does not take RGB images: its input has shape {list(shape)}")
