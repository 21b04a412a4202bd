"""What the operations of a model file answer to a few images, for artifacts made from it to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents.activations import Activations, Layer, positions
from edge_cifar.pixels import Images
from edge_cifar.readers import Network, Reader

Values = NDArray[np.float32]


def sampled(reader: Reader, path: Path, images: Images) -> Activations:
    """Samples of the operations' results.

    Left out are operations whose result is no real numbers of one image, or only their input in another shape.

    Args:
        reader: of the file's format.
        path: the file.
        images: uint8 ``[N, H, W, 3]``, a few: all results for one of them are in memory at once.

    Raises:
        BundleError: the file is damaged.
    """
    network = reader.network(path)
    names = {operation.outputs[0]: number for number, operation in enumerate(network.operations) if operation.outputs}
    shapes: dict[int, tuple[int, ...]] = {}
    passing = set(names.values())
    samples: dict[int, list[Values]] = {}
    answers: dict[int, Values] = {}

    def keep(image: int, name: str, value: Values) -> None:
        if name in names and value.ndim > 1 and len(value) == 1:
            answers[names[name]] = value.copy()

    for image, pixels in enumerate(images):
        reader.observe(path, pixels[np.newaxis], keep)
        passing &= {number for number in answers if _passes_on(network, number, answers)}
        for number, value in answers.items():
            shapes[number] = value.shape[1:]
            places = positions(value.size, len(images))[image]
            samples.setdefault(number, []).append(value.reshape(-1)[places])
    stay = sorted(number for number in samples if number not in passing)
    places_of = {number: place for place, number in enumerate(stay)}
    return Activations(
        images=len(images),
        layers=tuple(
            Layer(
                name=network.operations[number].name,
                kind=network.operations[number].kind,
                shape=shapes[number],
                sources=tuple(sorted(_sources(network, number, places_of))),
                values=np.stack(samples[number]),
            )
            for number in stay
        ),
    )


def _passes_on(network: Network, number: int, answers: Mapping[int, Values]) -> bool:
    links = network.operations[number].links
    source = answers.get(links[0].source) if len(links) == 1 and links[0].source is not None else None
    return source is not None and np.array_equal(source.reshape(-1), answers[number].reshape(-1))


def _sources(network: Network, number: int, places: Mapping[int, int]) -> set[int]:
    """The nearest operations before one that were kept."""
    found: set[int] = set()
    for link in network.operations[number].links:
        if link.source is not None:
            found |= {places[link.source]} if link.source in places else _sources(network, link.source, places)
    return found
