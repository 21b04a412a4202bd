"""Data sets: one module each; all give the same thing, a :class:`Dataset` of raw RGB images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images with their classes.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255.
        labels: int64 ``[N]``, in 0..classes-1.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The images at ``indices``, in that order."""
        return Split(images=self.images[indices], labels=self.labels[indices])


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A training and a test split.

    Attributes:
        name: as on the command line: ``cifar10``, ``synthetic``, ...
        train: what may be trained, validated and calibrated on.
        test: what is only ever evaluated on.
        labels: class names, in the order of the class numbers.
        checksum: sha256 over all images and labels.
        synthetic: True for pictures made by code; figures from such data are called synthetic.
    """

    name: str
    train: Split
    test: Split
    labels: tuple[str, ...]
    checksum: str
    synthetic: bool
