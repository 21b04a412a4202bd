"""What a phase fits, and the batches that it is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Model
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.storage.mapped_files import Resident
from edge_cifar.training.learner import Learner, examples


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The whole model on images, or the part of it behind a cut on features.

    Attributes:
        learner: what is fitted; shares its weights with the model in training.
        network: the learner without augmentation, to validate.
        views: what each epoch in turn is fitted to, ``[N, …]``: the training images, or the features
            of their augmented views.
        targets: float32 ``[N, classes]``, for each view.
        validation: the same of the validation images, ``[M, …]``.
    """

    learner: Learner
    network: Model
    views: Sequence[NDArray[Any] | MappedImages]
    targets: Sequence[NDArray[np.float32]]
    validation: NDArray[Any] | MappedImages

    def batches(self, epoch: int, order: NDArray[np.int64], batch_size: int) -> Batches:
        """The batches of an epoch; views take turns, so that all are seen equally often."""
        view = epoch % len(self.views)
        return Batches(self.views[view], self.targets[view], order, batch_size)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches gathered as they are asked for, so that memory-mapped arrays stay on disk."""

    def __init__(
        self,
        images: NDArray[Any] | MappedImages,
        targets: NDArray[np.float32],
        order: NDArray[np.int64],
        batch_size: int,
    ) -> None:
        """Batches of ``images`` or features ``[N, …]`` with their targets, in the given order."""
        super().__init__()
        self._images = images
        # Images that lie in a file see to it themselves.
        self._resident = None if isinstance(images, MappedImages) else Resident(images)
        self._targets = targets
        self._order = order
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches; the last may be smaller."""
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[dict[str, NDArray[Any]]]:
        """One batch, as a learner takes it."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        images = self._images[rows]
        if self._resident is not None:
            self._resident.touched(images.nbytes)
        return (examples(images, self._targets[rows]),)


class ImageBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images that lie in a file, in their order, as ``predict`` takes them."""

    def __init__(self, images: MappedImages, batch_size: int) -> None:
        """Batches of ``batch_size`` images; the last may be smaller."""
        super().__init__()
        self._images = images
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self._images) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8]]:
        """One batch."""
        return (self._images[index * self._batch_size : (index + 1) * self._batch_size],)
