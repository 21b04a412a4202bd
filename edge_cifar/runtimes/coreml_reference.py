"""Core ML programs, computed by a reference evaluator in NumPy, on any machine.

It proves what a ``.mlpackage`` says, not what Apple's kernels make of it, and is never timed as if it were a
device. See :mod:`edge_cifar.mil`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge_cifar.documents.operators import Operator
from edge_cifar.errors import RuntimeUnavailable
from edge_cifar.mil import package, planner
from edge_cifar.mil.constants import CONST, CONSTEXPR
from edge_cifar.mil.constants import read as read_constants
from edge_cifar.mil.evaluate import Evaluator, Observer
from edge_cifar.pixels import PLAIN, Ground, Images, Setup, demand_images
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import Probabilities
from edge_cifar.runtimes._shown import Shown

NAME = "coreml-reference"
SUFFIX = ".mlpackage"
DEVICE = False
TIMED = False
LIBRARY = "numpy"
BACKENDS: tuple[str, ...] = ("numpy",)
VERIFIED_TOO: tuple[str, ...] = ()

# The metadata in which a package whose biases were corrected for the rounding of its weights tells the least and the
# largest mean of an input channel that went into them, as JSON.
INPUT_MEANS = "input_means"


def unavailable(backend: str | None = None) -> str | None:
    """Nothing keeps it from running anywhere."""
    return None


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> ReferenceRuntime:
    """Open a package and make its program ready to run.

    Args:
        path: a ``.mlpackage`` folder.
        threads: how many chunks of images to compute at once.
        setup: without effect: a package says itself what its input is, and nothing here is timed.

    Raises:
        BundleError: the package is missing, broken, hostile, or holds what cannot be evaluated.
    """
    return ReferenceRuntime(path, threads)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    """Refused: what an operation costs here says nothing about a device.

    Raises:
        RuntimeUnavailable: always.
    """
    raise RuntimeUnavailable("the reference evaluator is never timed")


def constants(path: Path) -> dict[str, NDArray[Any]]:
    """Every constant tensor of a package by name, compressed weights made dense, in the type they are stored in.

    Args:
        path: a ``.mlpackage`` folder.

    Raises:
        BundleError: the package is broken.
    """
    return read_constants(path)


def operations(path: Path) -> tuple[str, ...]:
    """The kinds of the operations of a package's program, in order; constants are left out.

    Raises:
        BundleError: the package is broken.
    """
    with package.opened(path) as opened:
        kinds = (operation.kind for operation in opened.program.operations)
        return tuple(kind for kind in kinds if kind != CONST and not kind.startswith(CONSTEXPR))


class ReferenceRuntime(Shown):
    """A loaded Core ML program.

    Attributes:
        name: ``coreml-reference``.
        input_shape: (height, width, 3) of one image.
        classes: number of classes.
        labels: their names in the order of the probabilities, where the program holds them.
        metadata: the texts that the package carries: ``author``, ``license``, ``description``, ``version`` and
            the user's own.
    """

    name = NAME
    batch = 1
    preprocessing = Preprocessing(input_range=(0.0, 255.0), channels="rgb", layout="nhwc")
    any_size = False
    # The evaluator takes packages with an image input alone, whose pixels the package scales itself.
    range_ground: Ground = "stated"

    def __init__(self, path: Path, threads: int) -> None:
        with package.opened(path) as opened:
            plan = planner.make(opened)
            self._evaluate = Evaluator(plan, threads)
            self.metadata: Mapping[str, str] = opened.program.metadata
        self.input_shape = self._evaluate.input_shape
        self.classes = plan.classes
        self.labels = plan.labels

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, float32 ``[N, classes]``, of raw RGB images, uint8 ``[N, H, W, 3]`` in 0..255."""
        demand_images(images, self.input_shape)
        return self._evaluate(images)

    def single(self, image: Images) -> Callable[[], Probabilities]:
        """One inference of a uint8 image ``[H, W, 3]``, ready to be called."""
        batch = image[None]
        demand_images(batch, self.input_shape)
        return lambda: self._evaluate(batch)

    def observe(self, images: Images, observer: Observer) -> None:
        """Tell an observer the name and the value of everything that the program computes, in order.

        Args:
            images: uint8 ``[N, H, W, 3]``.
            observer: called with a name and an array ``[n, *declared shape]``, chunk of images by chunk; half
                precision comes as float32. It must not change or keep the array.
        """
        demand_images(images, self.input_shape)
        self._evaluate.observe(images, observer)
