"""Runtimes: one module each, all answering the same question the same way.

A runtime module defines

    SUFFIX              file suffix it runs: ".tflite", ".onnx", ".mlpackage", ".keras"
    DEVICE              True when its latency is that of a device, False for a reference
    LIBRARY             where DEVICE: the module that load() imports, so that a benchmark can import it beforehand
    unavailable()       why it cannot run on this machine, or None; imports nothing heavy
    load(path, *, threads=1)   the file as a :class:`Runtime`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


class Runtime(Protocol):
    """A loaded artifact.

    Attributes:
        name: the runtime's own: ``litert``, ``onnxruntime``, ``coreml``, ``coreml-reference``, ``keras``.
        input_shape: (height, width, 3) of one image.
        classes: number of classes.
        labels: names of the classes in the order of the probabilities, where the file itself holds
            them; a damaged file's raise BundleError.
    """

    name: str
    input_shape: tuple[int, int, int]
    classes: int

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255; any N, 0 included.

        Returns:
            float32 ``[N, classes]``. Scale and zero point stay inside the runtime.
        """
        ...

    def single(self, image: Images) -> Callable[[], object]:
        """One inference, ready to be timed.

        Args:
            image: uint8 ``[H, W, 3]``.

        Returns:
            A function that sets the input, runs the network and reads its output, and does nothing
            else: the conversion of the image to the input's type was done here.
        """
        ...
