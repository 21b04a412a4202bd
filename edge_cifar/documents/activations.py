"""What the Keras model's layers answer to a few images, so that a device can see where an artifact parts from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.storage import archives, files

# Each layer costs at most 4 images x 1,024 numbers x 4 bytes = 16 KiB, whatever its size: 1.5 MB for
# MobileNetV2, where all of them would be 80 MB. In half precision it would be half of that, and an fp32
# artifact's own error, a thousand times below what half precision can tell, would not be seen.
IMAGES = 4
VALUES = 1024

_MOST_LAYERS = 10_000


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A sample of one layer's output.

    Attributes:
        name: the layer's own.
        kind: its Keras class.
        shape: of its output for one image: ``(H, W, C)`` or ``(C,)``.
        sources: numbers of the layers that it is computed from, all smaller than its own.
        values: float32 ``[images, values]``, those of :func:`positions`.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    sources: tuple[int, ...]
    values: NDArray[np.float32]


def positions(size: int, images: int) -> NDArray[np.int64]:
    """Which elements of a layer's output are kept, by their place in the flattened output of each image.

    All of a small output. Of a larger one those on a walk around it in equal steps of about 0.618 of
    its size, coprime to it: any stretch of the walk is spread evenly, and visits every channel equally
    often, since the number of channels divides the size. Each image goes on where the one before ended.

    Args:
        size: elements of the output for one image.
        images: how many images.

    Returns:
        int64 ``[images, min(size, VALUES)]``.
    """
    if size <= VALUES:
        return np.tile(np.arange(size), (images, 1))
    step = int(size * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, size) != 1:
        step += 1
    return np.arange(images * VALUES).reshape(images, VALUES) * step % size


@dataclass(frozen=True, kw_only=True)
class Activations:
    """The layers' answers to the first images of a bundle's reference.

    Attributes:
        images: how many.
        layers: in an order in which they can be computed.
    """

    images: int
    layers: tuple[Layer, ...]

    def write(self, path: Path) -> None:
        """Write a compressed ``.npz``, whole."""
        edges = [(source, number) for number, layer in enumerate(self.layers) for source in layer.sources]
        arrays: dict[str, Any] = {}
        for number, layer in enumerate(self.layers):
            arrays |= {f"values_{number}": layer.values, f"shape_{number}": np.array(layer.shape, np.int64)}
        with files.atomic_write(path) as partial, partial.open("wb") as stream:
            np.savez_compressed(
                stream,
                images=np.array(self.images),
                names=np.array([layer.name for layer in self.layers], np.str_),
                kinds=np.array([layer.kind for layer in self.layers], np.str_),
                edges=np.array(edges, np.int64).reshape(-1, 2),
                **arrays,
            )

    @classmethod
    def read(cls, path: Path) -> Activations:
        """Read activations; no pickled object is admitted.

        Raises:
            BundleError: the file is missing, damaged, or its arrays do not belong together.
        """
        try:
            with archives.opened(path) as archive:
                return _checked(archive)
        except FileNotFoundError as error:
            raise BundleError(f"no activations file at {path}; export again") from error
        except files.DAMAGE as error:
            raise BundleError(f"the activations file {path} is damaged ({error}); export again") from error


def _checked(archive: archives.Archive) -> Activations:
    images, names, kinds, edges = int(archive["images"]), archive["names"], archive["kinds"], archive["edges"]
    if not (0 < images <= IMAGES and len(names) == len(kinds) <= _MOST_LAYERS and edges.shape[1:] == (2,)):
        raise ValueError("its arrays do not match each other")
    if ((edges[:, 0] < 0) | (edges[:, 0] >= edges[:, 1])).any():
        raise ValueError("a layer depends on a later one")
    layers = []
    for number, (name, kind) in enumerate(zip(names.tolist(), kinds.tolist(), strict=True)):
        shape, values = tuple(int(side) for side in archive[f"shape_{number}"]), archive.header(f"values_{number}")
        kept = (images, min(math.prod(shape), VALUES))
        if values.dtype != np.float32 or values.shape != kept or min(shape, default=1) < 1:
            raise ValueError(f"layer {number} is {values.dtype}{list(values.shape)}, expected float32{list(kept)}")
        sources = tuple(int(source) for source, reader in edges if reader == number)
        layers.append(Layer(name=name, kind=kind, shape=shape, sources=sources, values=archive[f"values_{number}"]))
    return Activations(images=images, layers=tuple(layers))
