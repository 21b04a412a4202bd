"""Formats: one module each, all writing a trained Keras model as a file that runs without Keras.

A converter module defines

    PRECISIONS     precision -> one line of description
    DEFAULT        precisions written when none is named
    SUFFIX         of the files it writes, as the format's runtime has it
    PACKAGES       top-level modules it needs beside TensorFlow and Keras
    USE            how its files are run on the platforms they are for, for the model card
    CALIBRATED     precisions that read the ranges of activations from calibration images
    CORRECTED      precisions that take only means from them, to correct what coarse weights shift
    METHODS        ways of setting those ranges that it knows
    SELECTIVE      precisions in which chosen layers can be left in floats
    convert(model, precision, *, labels, calibration, metadata, path, options) -> dict
                   writes one variant and returns facts for the manifest: input, output, ...

and, where it calibrates,

    observed(model, precision, *, labels, calibration, path, options) -> dict or None
                   writes the network in floats that the calibration images were shown to, and returns what they
                   gave: by the name of a value, ``image`` for the pixels, its least and its largest number. None
                   where ranges follow from more than these

``model`` takes float32 ``[N, H, W, 3]`` raw pixels in 0..255 and gives softmax probabilities;
rescaling and resizing are layers of it, so that they travel with the artifact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# How a range follows from the values seen: all of them; all but the outermost few; the range that
# loses the least information (relative entropy between the values and their quantized form).
METHODS = ("min-max", "percentile", "entropy")


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
        method: how ranges follow from them, one of :data:`METHODS`.
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

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the calibration."""
        return {
            "images": len(self.images),
            "split": "train",
            "seed": self.seed,
            "indices_sha256": hashlib.sha256(self.indices.astype("<i8").tobytes()).hexdigest(),
            "method": self.method,
            "bias_correction": True,
        }
