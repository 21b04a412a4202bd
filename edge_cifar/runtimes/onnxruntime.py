"""ONNX Runtime on the CPU: runs ``.onnx`` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages, quiet
from edge_cifar.errors import BundleError, MissingPackage
from edge_cifar.runtimes import Images, Probabilities, Runtime, _labels
from edge_cifar.runtimes._pixels import ImageInput, Quantization, Range, checked_probabilities

SUFFIX = ".onnx"
DEVICE = True
LIBRARY = "onnxruntime"

_EXTRA = "device"
_BATCH = 64
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


def unavailable() -> str | None:
    """Why ONNX Runtime cannot run on this machine."""
    return None if packages.installed("onnxruntime") else str(MissingPackage("onnxruntime", _EXTRA))


def load(path: Path, *, threads: int = 1, input_range: Range | None = None) -> Runtime:
    """Load an ``.onnx`` file.

    Args:
        path: the file.
        threads: CPU threads that one inference may use.
        input_range: real values of pixels 0 and 255, for somebody else's model; raw pixels by default.

    Raises:
        MissingPackage: ONNX Runtime is not installed.
        BundleError: the file is damaged, or is no image classifier.
    """
    onnxruntime = packages.require(LIBRARY, _EXTRA)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        with quiet.captured():
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # The bindings raise classes of their own that share no base but Exception.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(f"{path} is not a model that ONNX Runtime can run ({reason}); export it again") from error
    return OnnxRuntime(session, path.name, input_range)


class OnnxRuntime:
    """One session on the CPU."""

    name = "onnxruntime"

    def __init__(self, session: Any, source: str, input_range: Range | None) -> None:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(
                f"{source} has {len(inputs)} inputs and {len(outputs)} outputs; an image classifier has one of each"
            )
        if inputs[0].type not in _TYPES:
            raise BundleError(f"{source} takes {inputs[0].type}, not images")
        shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        self._session = session
        self._source = source
        self._input_name = inputs[0].name
        self._output_names = [outputs[0].name]
        # ONNX states no scale for a graph's inputs: integers are taken for raw pixels, int8 for raw pixels - 128.
        zero_point = -128 if inputs[0].type == "tensor(int8)" else 0
        quantization = Quantization(dtype=np.dtype(_TYPES[inputs[0].type]), zero_point=zero_point)
        self._input = ImageInput.of(shape, quantization, input_range, source)
        self._fixed_batch = shape[0]
        self.input_shape = self._input.shape
        self.classes = self._answers(np.zeros((1, *self.input_shape), np.uint8)).shape[1]

    @property
    def labels(self) -> tuple[str, ...] | None:
        text = self._session.get_modelmeta().custom_metadata_map.get(_labels.LABELS)
        return None if text is None else _labels.parsed(text, self._source)

    def predict(self, images: Images) -> Probabilities:
        batch = self._fixed_batch or _BATCH
        probabilities = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), batch):
            probabilities[start : start + batch] = self._answers(images[start : start + batch])
        return probabilities

    def single(self, image: Images) -> Callable[[], object]:
        feed = {self._input_name: self._encoded(image[np.newaxis])}
        run, output_names = self._session.run, self._output_names

        def infer() -> object:
            return run(output_names, feed)

        return infer

    def _answers(self, images: Images) -> Probabilities:
        encoded = self._encoded(images)
        output = self._session.run(self._output_names, {self._input_name: encoded})[0]
        return checked_probabilities(output, len(encoded), self._source)[: len(images)]

    def _encoded(self, images: Images) -> NDArray[Any]:
        encoded = self._input.encode(images)
        # A graph with a fixed batch takes no smaller one.
        padding = (self._fixed_batch or len(encoded)) - len(encoded)
        return np.concatenate([encoded, np.repeat(encoded[-1:], padding, axis=0)]) if padding else encoded
