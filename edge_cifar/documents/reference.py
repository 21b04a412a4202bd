"""The reference a bundle carries: what the Keras model answered, so that a device can check itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data.mapped_images import Images, choose
from edge_cifar.errors import BundleError
from edge_cifar.storage import archives, files
from edge_cifar.variant import Variant

_ARRAYS = ("images", "labels", "probabilities")
_CHANGED = "probabilities:"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Test images with the Keras model's answers.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255.
        labels: int64 ``[N]``, true classes.
        probabilities: float32 ``[N, classes]``, of the Keras model.
        changed: the same, of the Keras model with weights that were trained again, by what was done to
            them (see :attr:`edge_cifar.variant.Variant.compression`).
    """

    images: Images
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    changed: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def first(self, count: int | None) -> Reference:
        """The first ``count`` images; all of them for None."""
        return Reference(
            images=choose(self.images, slice(count)),
            labels=self.labels[:count],
            probabilities=self.probabilities[:count],
            changed={change: answers[:count] for change, answers in self.changed.items()},
        )

    def of(self, variant: Variant) -> Reference:
        """The reference with the answers of the Keras model whose weights a variant holds.

        Raises:
            BundleError: the variant's weights were trained again, and the reference has no answers of theirs.
        """
        if variant.compression is None:
            return self
        if variant.compression not in self.changed:
            raise BundleError(f"the reference has no predictions for the weights of {variant}; export again")
        return replace(self, probabilities=self.changed[variant.compression])

    def write(self, path: Path) -> None:
        """Write a compressed ``.npz``, whole."""
        with files.atomic_write(path) as partial:
            changed: dict[str, Any] = {f"{_CHANGED}{change}": answers for change, answers in self.changed.items()}
            np.savez_compressed(
                partial, images=self.images, labels=self.labels, probabilities=self.probabilities, **changed
            )

    @classmethod
    def read(cls, path: Path) -> Reference:
        """Read a reference; no pickled object is admitted.

        Raises:
            BundleError: the file is missing, damaged, or its arrays do not belong together.
        """
        try:
            with archives.opened(path) as archive:
                changed = [name for name in archive.names if name.startswith(_CHANGED)]
                if not _belong_together({name: archive.header(name) for name in (*_ARRAYS, *changed)}):
                    raise BundleError(f"the arrays in {path} do not match each other; export again")
                return cls(
                    **{name: archive[name] for name in _ARRAYS},
                    changed={name.removeprefix(_CHANGED): archive[name] for name in changed},
                )
        except FileNotFoundError as error:
            raise BundleError(f"no reference at {path}; export again") from error
        except files.DAMAGE as error:
            raise BundleError(f"the reference {path} is damaged ({error}); export again") from error


def _belong_together(headers: Mapping[str, archives.Header]) -> bool:
    images, labels, probabilities = (headers[name] for name in _ARRAYS)
    count = labels.shape[0] if labels.ndim == 1 else -1
    return (
        images.ndim == 4
        and images.dtype == np.uint8
        and images.shape[::3] == (count, 3)
        and np.issubdtype(labels.dtype, np.integer)
        and probabilities.ndim == 2
        and probabilities.shape[0] == count
        # Those of the Keras model, and those of it with other weights.
        and all(
            answers.dtype == np.float32 and answers.shape == probabilities.shape
            for name, answers in headers.items()
            if name.startswith("probabilities")
        )
    )
