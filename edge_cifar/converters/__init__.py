"""Converters: one module a format, all writing a trained Keras model as a file that runs without Keras.

See :class:`Converter`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge_cifar.documents.conversion_record import CalibrationRecord, ConversionRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_cifar.precision import Precision
    from edge_cifar.preprocessing import Range


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be asked of a conversion beside its precision.

    Attributes:
        keep_float: names of layers that int8 leaves in floats.
        deployment_target: the oldest system that a Core ML package has to run on; None for the format's usual.
        only: names of the layers to quantize, and nothing else, to see what they cost; None for all.
        trained: the flatbuffer that training for 8 bits left, which is TFLite's ``int8-qat``; None elsewhere.
    """

    keep_float: tuple[str, ...] = ()
    deployment_target: str | None = None
    only: tuple[str, ...] | None = None
    trained: Path | None = None


AS_THEY_COME = Options()


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Training images that quantization reads the ranges of the activations from.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255.
        indices: int64 ``[N]``, their places in the training split.
        seed: that drew them.
        method: how a range follows from the values seen: ``min-max`` takes all of them, ``percentile`` all but the
            outermost few, ``entropy`` the range that loses the least information (relative entropy between the values
            and their quantized form).
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    seed: int
    method: str = "min-max"

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """The images as float32 ``[size or fewer, H, W, 3]`` in 0..255, as the model takes them."""
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size].astype("float32")

    def digest(self) -> str:
        """SHA-256 of the images and the method: what ranges follow from."""
        return hashlib.sha256(self.images.tobytes() + self.method.encode()).hexdigest()

    def record(self) -> CalibrationRecord:
        """What the manifest says of the calibration."""
        return CalibrationRecord(
            images=len(self.images),
            split="train",
            seed=self.seed,
            indices_sha256=hashlib.sha256(self.indices.astype("<i8").tobytes()).hexdigest(),
            method=self.method,
            bias_correction=True,
        )


class Converter(Protocol):
    """A module that writes the files of a format.

    ``model`` takes float32 ``[N, H, W, 3]`` raw pixels in 0..255 and gives softmax probabilities; rescaling and
    resizing are layers of it, so that they travel with the artifact.
    """

    def convert(
        self,
        model: Any,
        precision: Precision,
        *,
        labels: Sequence[str],
        calibration: Calibration,
        metadata: Mapping[str, str],
        path: Path,
        options: Options = AS_THEY_COME,
    ) -> ConversionRecord:
        """Write one variant.

        Args:
            model: a Keras model in float32.
            precision: one of the format's.
            labels: class names, kept in the file.
            calibration: training images, for a precision that reads some.
            metadata: kept in the file beside the labels.
            path: where to write.
            options: what else may be asked.

        Returns:
            What the manifest tells of it.

        Raises:
            UsageError: the options do not fit the precision.
            ConversionError: the format cannot hold the model.
            MissingPackage: a package is not installed.
        """
        ...

    def observed(
        self,
        model: Any,
        precision: Precision,
        *,
        labels: Sequence[str],
        calibration: Calibration,
        path: Path,
        options: Options = AS_THEY_COME,
    ) -> dict[str, Range]:
        """Write the network in floats that the calibration images were shown to.

        Args:
            model, labels, calibration, options: as for :meth:`convert`.
            precision: one that reads ``ranges`` from the images.
            path: where to write.

        Returns:
            By the name of a value, ``image`` for the pixels, its least and its largest number on the images.
        """
        ...
