"""Formats: one module each, all writing a trained Keras model as a file that runs without Keras.

A converter module defines

    PRECISIONS     precision -> one line of description
    DEFAULT        precisions written when none is named
    SUFFIX         of the files it writes, as the format's runtime has it
    PACKAGES       top-level modules it needs beside TensorFlow and Keras
    convert(model, precision, *, labels, calibration, metadata, path) -> dict
                   writes one variant and returns facts for the manifest: input, output, ...

``model`` takes float32 ``[N, H, W, 3]`` raw pixels in 0..255 and gives softmax probabilities;
rescaling and resizing are layers of it, so that they travel with the artifact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Training images that quantization reads the ranges of the activations from.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255.
        indices: int64 ``[N]``, their places in the training split.
        seed: that drew them.
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64]
    seed: int

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """The images as float32 ``[size or fewer, H, W, 3]`` in 0..255, as the model takes them."""
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size].astype(np.float32)

    def digest(self) -> str:
        """SHA-256 of the images."""
        return hashlib.sha256(self.images.tobytes()).hexdigest()

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the calibration."""
        return {
            "images": len(self.images),
            "split": "train",
            "seed": self.seed,
            "indices_sha256": hashlib.sha256(self.indices.astype("<i8").tobytes()).hexdigest(),
            "method": "min-max",
            "bias_correction": True,
        }
