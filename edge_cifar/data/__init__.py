"""Data sets: one module each; all give the same thing, a :class:`Dataset` of raw RGB images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.mapped_images import Images, choose


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images with their classes.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255; in memory, or in a file from which they are read as they
            are asked for.
        labels: int64 ``[N]``, in 0..classes-1.
        digests: uint8 ``[N, 32]``, SHA-256 of each image's bytes where they were computed before; else None.
    """

    images: Images
    labels: NDArray[np.int64]
    digests: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The images at ``indices``, in that order; those in a file stay there."""
        return Split(
            images=choose(self.images, indices),
            labels=self.labels[indices],
            digests=None if self.digests is None else self.digests[indices],
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A training and a test split, and a validation split where the data bring one.

    Attributes:
        name: as on the command line: ``cifar10``, ``synthetic``, ...
        train: what may be trained, validated and calibrated on.
        test: what is only ever evaluated on.
        validation: what the best weights are chosen on; None where it is to be held out of ``train``.
        given_range: what black and white were in the floats that the images were given as; None for bytes.
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
    validation: Split | None = None
    given_range: tuple[float, float] | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in found.items() if split is not None}
