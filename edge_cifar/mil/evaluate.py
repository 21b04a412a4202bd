"""A plan applied to images, in chunks that are spread over threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.mil import blas
from edge_cifar.mil.dtypes import FP16, FP32, Array
from edge_cifar.mil.half import round_to_half
from edge_cifar.mil.plan import Plan, Step

Observer = Callable[[str, Array], None]
"""Told the name and the value ``[n, ...]`` of everything that is computed for a chunk of n images."""


class Evaluator:
    """Computes a plan.

    Attributes:
        input_shape: (height, width, 3) of one image.
    """

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        """Make ready to compute.

        Args:
            plan: the program.
            threads: how many chunks to compute at once.

        Raises:
            BundleError: the program's input is no image of three channels.
        """
        self._plan = plan
        self._threads = threads
        self.input_shape, self._channels_first = _image_shape(plan)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probabilities of each image.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB.

        Returns:
            float32 ``[N, classes]``.
        """
        probabilities = np.empty((len(images), self._plan.classes), np.float32)

        def compute(start: int) -> None:
            stop = start + self._plan.chunk
            probabilities[start:stop] = self._chunk(images[start:stop])

        starts = range(0, len(images), self._plan.chunk)
        with blas.one_thread():
            if self._threads == 1 or len(starts) < 2:
                for start in starts:
                    compute(start)
            else:
                with ThreadPoolExecutor(self._threads) as pool:
                    # Taking the results raises what a thread raised.
                    list(pool.map(compute, starts))
        return probabilities

    def observe(self, images: NDArray[np.uint8], observer: Observer) -> None:
        """Compute images chunk by chunk, in order, and tell of every value on the way.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB.
            observer: must not change or keep what it is shown.
        """
        with blas.one_thread():
            for start in range(0, len(images), self._plan.chunk):
                self._chunk(images[start : start + self._plan.chunk], observer)

    def _chunk(self, images: NDArray[np.uint8], observer: Observer | None = None) -> Array:
        source = self._plan.input
        values: dict[str, Array] = {source.name: self._fed(images)}
        if observer:
            observer(source.name, values[source.name])
        with np.errstate(all="ignore"):
            for step in self._plan.steps:
                arguments = (values[a] if isinstance(a, str) else a for a in step.arguments)
                value = _settled(step, step.kernel.run(*arguments))
                values[step.output] = value
                if observer:
                    observer(step.output, value)
                for name in step.frees:
                    del values[name]
        return values[self._plan.output].reshape(len(images), -1)

    def _fed(self, images: NDArray[np.uint8]) -> Array:
        """The input's value ``[N, *declared]``, float32, samples innermost in memory."""
        if self._plan.image and self._plan.image.order == "BGR":
            images = images[..., ::-1]
        axes = (3, 1, 2, 0) if self._channels_first else (1, 2, 3, 0)
        inside = np.ascontiguousarray(images.transpose(axes), np.float32)
        assert self._plan.input.type is not None
        return np.moveaxis(inside, -1, 0).reshape(len(images), *self._plan.input.type.shape)


def _settled(step: Step, value: Array) -> Array:
    """A kernel's output, held to its declared type and rounded to its precision."""
    element = step.kernel.type.element
    storage = np.float32 if element in (FP16, FP32) else element.storage
    if value.shape[1:] != step.kernel.type.shape or value.dtype != storage:
        raise BundleError(f"{step.operation} outputs {value.dtype}{list(value.shape[1:])}; expected {step.kernel.type}")
    if element == FP16 and not step.kernel.exact:
        round_to_half(value)
    return value


def _image_shape(plan: Plan) -> tuple[tuple[int, int, int], bool]:
    """Height, width and channels of the image that a program takes, and whether the channels come first."""
    assert plan.input.type is not None
    shape = plan.input.type.shape
    if len(shape) in (3, 4) and shape[:-3] in ((), (1,)):
        first, second, last = shape[-3:]
        if not plan.image and last == 3:
            return (first, second, 3), False
        if first == 3:
            return (second, last, 3), True
    raise BundleError(f"its input {plan.input.name!r} has shape {list(shape)}, which is not a three-channel image")
