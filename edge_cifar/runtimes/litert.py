"""LiteRT (formerly TensorFlow Lite): runs ``.tflite`` files on the CPU, by XNNPACK or by its own kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import packages
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError, MissingPackage, RuntimeUnavailable, first_line
from edge_cifar.pixels import PLAIN, ImageInput, Images, Quantization, Setup, filled, stored_type
from edge_cifar.processes import output_capture
from edge_cifar.runtimes import Probabilities, Runtime, _outputs, embedded_labels
from edge_cifar.runtimes._remedies import refusal
from edge_cifar.runtimes._shown import Shown

NAME = "litert"
DEVICE = True
TIMED = True
LIBRARY = "ai_edge_litert.interpreter"
# What XNNPACK lacks is computed by the built-in kernels in either case.
BACKENDS: tuple[str, ...] = ("xnnpack", "builtin")
VERIFIED_TOO: tuple[str, ...] = ()

_EXTRA = "device"
_REMEDIES = (
    (
        "select tensorflow op",
        "convert it without TensorFlow operators (SELECT_TF_OPS, Flex), which LiteRT does not support",
    ),
    ("op: flex", "convert it without TensorFlow operators (SELECT_TF_OPS, Flex), which LiteRT does not support"),
    ("unresolved custom op", "it has a custom operator; convert it with built-in operators only"),
    ("for builtin opcode", "it needs a newer LiteRT; run: pip install --upgrade ai-edge-litert"),
)


def unavailable(backend: str | None = None) -> str | None:
    """Why LiteRT cannot run on this machine; both of its backends come with it."""
    return None if packages.installed("ai_edge_litert") else str(MissingPackage("ai-edge-litert", _EXTRA))


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load a ``.tflite`` file.

    Args:
        path: the file.
        threads: CPU threads that one inference may use.
        setup: how to run it.

    Raises:
        MissingPackage: LiteRT is not installed.
        RuntimeUnavailable: the file cannot take that many images at once.
        BundleError: the file is damaged, or is no image classifier.
    """
    module = packages.require(LIBRARY, _EXTRA)
    options: dict[str, Any] = {"model_path": str(path), "num_threads": threads}
    if setup.backend == "builtin":
        options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with _faults(str(path)), output_capture.captured():
        interpreter = module.Interpreter(**options)
    inputs = interpreter.get_input_details()
    if len(inputs) == 1:
        # Looked at before memory is given to what the file claims.
        _image_input(inputs[0], path.name, setup)
    with _faults(str(path)), output_capture.captured():
        interpreter.allocate_tensors()
    return LiteRT(interpreter, path, setup)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """Refused: LiteRT 2.3 measures operators in its C++ interface alone.

    Raises:
        RuntimeUnavailable: always.
    """
    raise RuntimeUnavailable("LiteRT's Python package does not report times per operator")


@contextmanager
def _faults(source: str) -> Iterator[None]:
    """What LiteRT finds wrong with a file, when it loads it or only when it computes it, as our own error."""
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        raise BundleError(refusal(source, "TFLite model that LiteRT can run", error, _REMEDIES)) from error


class LiteRT(Shown):
    """One interpreter with its tensors allocated for the file's own batch, mostly of one, unless more are asked for.

    Left alone, batches run image by image: on a CPU a batch of 64 saves less than a tenth of the
    time an image (ResNet8 int8: 0.038 ms against 0.041), and a file with a fixed batch could not do it.
    """

    name = NAME

    def __init__(self, interpreter: Any, path: Path, setup: Setup) -> None:
        source = path.name
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        _outputs.demand_one_input(source, [str(details["name"]) for details in inputs])
        number = _output_number(interpreter, outputs, source, setup.output)
        self._interpreter = interpreter
        self._path = path
        self._source = source
        self._input_index = inputs[0]["index"]
        self._output_number = number
        self._output_index = outputs[number]["index"]
        self._input = _image_input(inputs[0], source, setup)
        self._output = _quantization(outputs[number])
        self.input_shape, self.any_size = self._input.shape, self._input.any_size
        self.preprocessing, self.range_ground = self._input.preprocessing, self._input.ground
        self._shape = tuple(map(int, inputs[0]["shape"]))
        self.batch = setup.batch if setup.batch > 1 else self._shape[0]
        self._make_room(self.input_shape)
        self.classes = _outputs.length(interpreter.get_output_details()[number]["shape"])

    @property
    def labels(self) -> tuple[str, ...] | None:
        return embedded_labels.of_tflite(self._path)

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, float32 ``[N, classes]``, of raw RGB images, uint8 ``[N, H, W, 3]`` in 0..255."""
        encoded = self._input.encode(images)
        if len(images):
            self._make_room(images.shape[1:])
        stored = np.empty((len(images), self.classes), self._output.dtype)
        for start in range(0, len(images), self.batch):
            part = encoded[start : start + self.batch]
            self._interpreter.set_tensor(self._input_index, filled(part, self.batch))
            with _faults(self._source):
                self._interpreter.invoke()
                answers = self._interpreter.get_tensor(self._output_index)
            stored[start : start + self.batch] = _outputs.rows(answers, self.batch, self._source)[: len(part)]
        return self._output.dequantize(stored)

    def single(self, image: Images) -> Callable[[], object]:
        self._make_room(image.shape)
        encoded = filled(self._input.encode(image[np.newaxis]), self.batch)
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

    def _make_room(self, image_shape: tuple[int, ...]) -> None:
        """Make room for a batch of images of a shape (height, width, 3), where there is not that room already.

        Raises:
            RuntimeUnavailable: something behind the input is fixed to the file's own batch.
            BundleError: something behind the input does not take images of that size.
        """
        height, width, _ = image_shape
        shape = self._input.tensor_shape(self.batch, height, width)
        if shape == self._shape:
            return
        try:
            with output_capture.captured():
                self._interpreter.resize_tensor_input(self._input_index, shape)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            if self.any_size:
                raise BundleError(
                    f"{self._source} does not take images of {height}×{width} ({first_line(error)})"
                ) from error
            raise RuntimeUnavailable(f"{self._source} does not accept batches of {self.batch} images") from error
        if int(self._interpreter.get_output_details()[self._output_number]["shape"][0]) != self.batch:
            raise RuntimeUnavailable(f"{self._source} does not output results for batches of {self.batch} images")
        self._shape = shape


def _output_number(interpreter: Any, outputs: Sequence[Mapping[str, Any]], source: str, named: str | None) -> int:
    """The output with the class scores, by its tensor's name or by that in the file's signature."""
    names = [str(details["name"]) for details in outputs]
    if len(names) == 1 or named in names:
        return _outputs.chosen(source, names, named)
    signed = {}
    for key in interpreter.get_signature_list():
        for name, details in interpreter.get_signature_runner(key).get_output_details().items():
            signed[details["index"]] = name
    return _outputs.chosen(source, [signed.get(one["index"], str(one["name"])) for one in outputs], named)


def _shape(details: Mapping[str, Any]) -> tuple[int | None, ...]:
    """A tensor's shape as the file states it, with None for a side that may be any; LiteRT shows 1 for those."""
    return tuple(None if side == -1 else int(side) for side in details["shape_signature"])


def _image_input(details: Mapping[str, Any], source: str, setup: Setup) -> ImageInput:
    return ImageInput.of(_shape(details), _quantization(details), source, setup)


def _quantization(details: Mapping[str, Any]) -> Quantization:
    scale, zero_point = details["quantization"]
    return stored_type(details["dtype"], float(scale), int(zero_point))
