"""LiteRT (formerly TensorFlow Lite): runs ``.tflite`` files, with XNNPACK on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import packages, quiet
from edge_cifar.errors import BundleError, MissingPackage
from edge_cifar.runtimes import Images, Probabilities, Runtime, _labels
from edge_cifar.runtimes._pixels import ImageInput, Quantization, Range, checked_probabilities, stored_type

SUFFIX = ".tflite"
DEVICE = True
LIBRARY = "ai_edge_litert.interpreter"

_EXTRA = "device"


def unavailable() -> str | None:
    """Why LiteRT cannot run on this machine."""
    return None if packages.installed("ai_edge_litert") else str(MissingPackage("ai-edge-litert", _EXTRA))


def load(path: Path, *, threads: int = 1, input_range: Range | None = None) -> Runtime:
    """Load a ``.tflite`` file.

    Args:
        path: the file.
        threads: CPU threads that one inference may use.
        input_range: real values of pixels 0 and 255, where the file's quantization does not tell
            (a floating-point input of somebody else's model); raw pixels by default.

    Raises:
        MissingPackage: LiteRT is not installed.
        BundleError: the file is damaged, or is no image classifier.
    """
    interpreter_module = packages.require(LIBRARY, _EXTRA)
    try:
        with quiet.captured():
            interpreter = interpreter_module.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(f"{path} is not a TFLite model that LiteRT can run ({reason}); export it again") from error
    return LiteRT(interpreter, path, input_range)


class LiteRT:
    """One interpreter with its tensors allocated for a batch of one.

    Batches run image by image: on a CPU a batch of 64 saves less than a tenth of the time an image
    (ResNet8 int8: 0.038 ms against 0.041), and a file with a fixed batch could not do it.
    """

    name = "litert"

    def __init__(self, interpreter: Any, path: Path, input_range: Range | None) -> None:
        source = path.name
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(
                f"{source} has {len(inputs)} inputs and {len(outputs)} outputs; an image classifier has one of each"
            )
        self._interpreter = interpreter
        self._path = path
        self._source = source
        self._input_index = inputs[0]["index"]
        self._output_index = outputs[0]["index"]
        self._input = ImageInput.of(tuple(map(int, inputs[0]["shape"])), _quantization(inputs[0]), input_range, source)
        self._output = _quantization(outputs[0])
        self.input_shape = self._input.shape
        self.classes = int(outputs[0]["shape"][-1])

    @property
    def labels(self) -> tuple[str, ...] | None:
        return _labels.of_tflite(self._path)

    def predict(self, images: Images) -> Probabilities:
        encoded = self._input.encode(images)
        stored = np.empty((len(images), self.classes), self._output.dtype)
        for row, image in zip(stored, encoded, strict=True):
            self._interpreter.set_tensor(self._input_index, image[np.newaxis])
            self._interpreter.invoke()
            row[:] = checked_probabilities(self._interpreter.get_tensor(self._output_index), 1, self._source)[0]
        return self._output.dequantize(stored)

    def single(self, image: Images) -> Callable[[], object]:
        encoded = self._input.encode(image[np.newaxis])
        set_tensor, invoke, get_tensor = (
            self._interpreter.set_tensor,
            self._interpreter.invoke,
            self._interpreter.get_tensor,
        )
        input_index, output_index = self._input_index, self._output_index

        def infer() -> object:
            set_tensor(input_index, encoded)
            invoke()
            return get_tensor(output_index)

        return infer


def _quantization(details: Mapping[str, Any]) -> Quantization:
    scale, zero_point = details["quantization"]
    return stored_type(details["dtype"], float(scale), int(zero_point))
