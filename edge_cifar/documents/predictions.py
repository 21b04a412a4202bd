"""What a network answered for every test image, small enough to be kept with every run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import RunError
from edge_cifar.storage import archives, files


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The class given to each test image, in the order of the test set.

    Attributes:
        labels: int64 ``[N]``, true classes.
        predicted: int64 ``[N]``, the most probable class.
        confidence: float32 ``[N]``, its probability, in 0..1.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]

    @classmethod
    def of(cls, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Predictions:
        """From probabilities ``[N, classes]``."""
        return cls(labels=labels, predicted=probabilities.argmax(axis=1), confidence=probabilities.max(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image was given its true class."""
        return np.asarray(self.predicted == self.labels)

    def write(self, path: Path) -> None:
        """Write a compressed ``.npz``, whole: 25 kB for the 10,000 test images of CIFAR-10.

        A confidence is kept to a thousandth, which is more than a picture's caption shows.
        """
        with files.atomic_write(path) as partial:
            np.savez_compressed(
                partial,
                labels=self.labels.astype(np.uint16),
                predicted=self.predicted.astype(np.uint16),
                confidence=np.round(1000 * self.confidence).astype(np.uint16),
            )

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read predictions; no pickled object is admitted.

        Raises:
            RunError: the file is missing, damaged, or its arrays do not belong together.
        """
        names = ("labels", "predicted", "confidence")
        try:
            with archives.opened(path) as archive:
                arrays = [archive[name] for name in names]
        except files.DAMAGE as error:
            raise RunError(
                f"the predictions {path} cannot be read ({error}); train again, or delete the file"
            ) from error
        if any(array.dtype != np.uint16 or array.shape != (arrays[0].size,) for array in arrays):
            raise RunError(f"the arrays in {path} do not match each other; train again, or delete the file")
        labels, predicted, thousandths = arrays
        return cls(
            labels=labels.astype(np.int64),
            predicted=predicted.astype(np.int64),
            confidence=(thousandths / 1000).astype(np.float32),
        )
