"""Runtimes: one module each, all answering the same question the same way; see :class:`RuntimeModule`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.operators import Operator
from edge_cifar.pixels import PLAIN, Ground, Images, Setup
from edge_cifar.preprocessing import Preprocessing

Probabilities = NDArray[np.float32]


class Runtime(Protocol):
    """A loaded artifact.

    Attributes:
        name: the runtime's own: ``litert``, ``onnxruntime``, ``coreml``, ``coreml-reference``, ``keras``.
        input_shape: (height, width, 3) of one image; of one among others where ``any_size``. A network for grayscale
            images is given RGB images too, which the runtime converts.
        any_size: whether ``predict`` takes images of any size.
        batch: images that one inference takes.
        preprocessing: how pixels are given to the network; nothing in it is left open.
        range_ground: why in that range.
        classes: number of scores for an image, mostly probabilities of its classes; a single one stands for
            two classes (see :mod:`edge_cifar.evaluation.scores`).
        labels: names of the classes in the order of the probabilities, where the file itself holds
            them; a damaged file's raise BundleError.
    """

    name: str
    input_shape: tuple[int, int, int]
    any_size: bool
    batch: int
    preprocessing: Preprocessing
    classes: int

    @property
    def range_ground(self) -> Ground: ...

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255; any N, 0 included.

        Returns:
            float32 ``[N, classes]``; other scores than probabilities where the file has no softmax. Scale and
            zero point stay inside the runtime.
        """
        ...

    def single(self, image: Images) -> Callable[[], object]:
        """One inference, ready to be timed.

        Args:
            image: uint8 ``[H, W, 3]``; repeated to fill the batch.

        Returns:
            A function that sets the input, runs the network and reads its output, and does nothing
            else: the conversion of the image to the input's type was done here.
        """
        ...


class RuntimeModule(Protocol):
    """A module that runs the files of a format.

    Attributes:
        NAME: the runtime's own, as :attr:`Runtime.name`.
        DEVICE: whether its latency is that of a device; False for a reference.
        TIMED: whether its latency may be measured at all.
        LIBRARY: the module that :meth:`load` imports, so that a benchmark can import it beforehand.
        BACKENDS: names of what may compute a file there, the default first: ``("xnnpack", "builtin")``.
        VERIFIED_TOO: those beside the default whose answers ``verify`` checks as well: a device may choose them, and
            they compute with kernels of their own.
    """

    NAME: str
    DEVICE: bool
    TIMED: bool
    LIBRARY: str
    BACKENDS: tuple[str, ...]
    VERIFIED_TOO: tuple[str, ...]

    def unavailable(self, backend: str | None = None) -> str | None:
        """Why it cannot run on this machine, or None; imports nothing heavy unless a backend is named."""
        ...

    def load(self, path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
        """Load a file.

        Args:
            path: the file or folder.
            threads: CPU threads that one inference may use, where the runtime lets one choose.
            setup: how to run it.

        Raises:
            RuntimeUnavailable: a package is missing, or the file cannot be run so on this machine.
            BundleError: the file is damaged, or is no image classifier.
        """
        ...

    def profile(self, path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
        """What each operator costs.

        Args:
            path: the file or folder.
            image: uint8 ``[H, W, 3]``.
            threads: CPU threads that one inference may use.
            setup: how to run it.
            seconds: time to spend.

        Raises:
            RuntimeUnavailable: the runtime does not tell.
        """
        ...
