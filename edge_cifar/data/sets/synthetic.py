"""Ten classes of 32x32 RGB pictures made by code: for tests and demonstrations without a download.

Shapes and textures of random place, size, turn and colour on a shaded, noisy ground, with a strip
that may hide a part of them. Each picture keeps to a small part of the range of brightness and
contrast that they have together: activation ranges taken from a single one do not fit the others, so
that a careless quantization shows in the accuracy.

Only operations that IEEE 754 fixes to the last bit are used (no sine, exponential or logarithm), so
that a seed gives the same bytes, and so the same checksum, on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split, checksum
from edge_cifar.data.sets import DataSet
from edge_cifar.data.shapes import SHAPES, Field, Shape
from edge_cifar.errors import UsageError
from edge_cifar.progress import SILENT, Progress

TRAIN_IMAGES = 8_000
TEST_IMAGES = 2_000

_SIDE = 32
_SMALLEST_CONTRAST, _LARGEST_CONTRAST = 24.0, 100.0
_BRIGHTNESS = (25.0, 230.0)
_NOISE = 4.5

_SPLIT_TRAIN, _SPLIT_TEST = 0, 1


def load(
    *,
    data_dir: Path | str | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    train_images: int = TRAIN_IMAGES,
    test_images: int = TEST_IMAGES,
) -> Dataset:
    """Make the pictures.

    Args:
        data_dir: must be None.
        seed: another seed gives other pictures of the same ten classes.
        progress: not used, it takes a second or two.
        train_images: how many to train on.
        test_images: how many to test on.

    Raises:
        UsageError: a folder was given.
    """
    if data_dir is not None:
        raise UsageError("synthetic data are generated, not read from a folder; omit --data-dir")
    train = _make(train_images, np.random.default_rng([seed, _SPLIT_TRAIN]))
    test = _make(test_images, np.random.default_rng([seed, _SPLIT_TEST]))
    return Dataset(
        name="synthetic",
        train=train,
        test=test,
        labels=tuple(SHAPES),
        checksum=checksum.of_splits(train, test),
        synthetic=True,
    )


def _make(count: int, generator: np.random.Generator) -> Split:
    """``count`` pictures, as many of each class as can be, in random order."""
    labels = generator.permutation(np.arange(count, dtype=np.int64) % len(SHAPES))
    images = np.empty((count, _SIDE, _SIDE, 3), dtype=np.uint8)
    for label, shape in enumerate(SHAPES.values()):
        members = np.flatnonzero(labels == label)
        images[members] = _paint(_coverage(shape, len(members), generator), generator)
    return Split(images=images, labels=labels)


def _paint(coverage: Field, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Colour the shapes and their ground.

    Args:
        coverage: ``[N, H, W]``, how much of each pixel the shape covers, 0..1.
        generator: of colours, shading and noise.

    Returns:
        uint8 ``[N, H, W, 3]``.
    """
    count = len(coverage)
    rare = _uniform(generator, (count, 1))
    contrast = _SMALLEST_CONTRAST + (_LARGEST_CONTRAST - _SMALLEST_CONTRAST) * rare * rare
    tint = _uniform(generator, (count, 3), -1.0, 1.0)
    # The channel that differs most differs by the whole contrast.
    difference = contrast * tint / np.abs(tint).max(axis=1, keepdims=True)
    ground = _uniform(generator, (count, 1), *_BRIGHTNESS) + _uniform(generator, (count, 3), -15.0, 15.0)
    # A shape that would be brighter than white or darker than black differs the other way.
    difference = np.where(np.abs(ground + difference - np.float32(127.5)) > 117.5, -difference, difference)
    along = (np.arange(_SIDE, dtype=np.float32) / np.float32(_SIDE - 1) - np.float32(0.5))[None, :]
    down, across = (_uniform(generator, (count, 1), -12.0, 12.0) * along for _ in range(2))
    shade = down[:, :, None] + across[:, None, :]
    pixels = ground[:, None, None, :] + shade[..., None] + coverage[..., None] * difference[:, None, None, :]
    pixels += np.float32(_NOISE) * _bell(generator, (*coverage.shape, 3))
    rounded: Field = np.floor(pixels + np.float32(0.5))
    return rounded.clip(0.0, 255.0).astype(np.uint8)


def _coverage(shape: Shape, count: int, generator: np.random.Generator) -> Field:
    """Place ``count`` shapes: ``[N, H, W]`` in 0..1, soft over one pixel at the edges."""
    pixel = np.arange(_SIDE, dtype=np.float32) - np.float32((_SIDE - 1) / 2)
    x = pixel[None, None, :] - _uniform(generator, (count, 1, 1), -4.0, 4.0)
    y = pixel[None, :, None] - _uniform(generator, (count, 1, 1), -4.0, 4.0)
    # Points of the unit circle without sine and cosine: t is the tangent of half the turn, up to 28 degrees.
    t = _uniform(generator, (count, 1, 1), -0.25, 0.25)
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    radius = _uniform(generator, (count, 1, 1), 7.0, 12.0)
    distance = shape(cosine * x + sine * y, cosine * y - sine * x, radius)
    visible: Field = np.clip(np.float32(0.5) - distance, 0.0, 1.0) * (1 - _strip(count, generator))
    return visible


def _strip(count: int, generator: np.random.Generator) -> Field:
    """A strip of ground laid over half of the pictures: 1 where the shape is hidden, ``[N, H, W]``."""
    rows = np.arange(_SIDE, dtype=np.float32)[None, :]
    start = _uniform(generator, (count, 1), 0.0, _SIDE)
    width = _uniform(generator, (count, 1), -5.0, 5.0)
    hidden = ((rows >= start) & (rows < start + width)).astype(np.float32)
    upright = _uniform(generator, (count, 1, 1)) < np.float32(0.5)
    return np.where(upright, hidden[:, None, :], hidden[:, :, None])


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Field:
    numbers: Field = generator.random(shape, dtype=np.float32)
    return np.float32(low) + np.float32(high - low) * numbers


def _bell(generator: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Nearly normal noise of mean 0 and standard deviation 1: the sum of four random bytes."""
    total = generator.integers(0, 256, (4, *shape), dtype=np.uint8).sum(axis=0, dtype=np.int32)
    # One byte has mean 127.5 and variance (256² - 1) / 12.
    noise: Field = (total.astype(np.float32) - np.float32(510.0)) / np.float32(147.8)
    return noise


DATA_SET = DataSet(
    name="synthetic", load=load, licence="The images are generated by edge-cifar's code; no rights are claimed."
)
