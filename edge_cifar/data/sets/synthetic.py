"""Ten classes of 32x32 RGB pictures made by code: for tests and demonstrations without a download.

Shapes and textures of random place, size, turn and colour on a shaded, noisy ground, with a strip
that may hide a part of them. The contrast varies by more than ten between pictures, so that
activations range widely: the ranges of a network quantized on a single picture do not fit the rest.

Only operations that IEEE 754 fixes to the last bit are used (no sine, exponential or logarithm), so
that a seed gives the same bytes, and so the same checksum, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split, checksum
from edge_cifar.errors import UsageError
from edge_cifar.progress import SILENT, Progress

TRAIN_IMAGES = 8_000
TEST_IMAGES = 2_000

_SIDE = 32
_SMALLEST_CONTRAST, _LARGEST_CONTRAST = 24.0, 150.0
_BRIGHTNESS = (35.0, 220.0)
_NOISE = 5.0

_Field: TypeAlias = NDArray[np.float32]
_SPLIT_TRAIN, _SPLIT_TEST = 0, 1


def load(
    *,
    data_dir: Path | None = None,
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
        raise UsageError("synthetic data are made by code and lie in no folder; leave --data-dir out")
    train = _make(train_images, np.random.default_rng([seed, _SPLIT_TRAIN]))
    test = _make(test_images, np.random.default_rng([seed, _SPLIT_TEST]))
    return Dataset(
        name="synthetic",
        train=train,
        test=test,
        labels=tuple(_SHAPES),
        checksum=checksum.of_splits(train, test),
        synthetic=True,
    )


def _make(count: int, generator: np.random.Generator) -> Split:
    """``count`` pictures, as many of each class as can be, in random order."""
    labels = generator.permutation(np.arange(count, dtype=np.int64) % len(_SHAPES))
    images = np.empty((count, _SIDE, _SIDE, 3), dtype=np.uint8)
    for label, shape in enumerate(_SHAPES.values()):
        members = np.flatnonzero(labels == label)
        images[members] = _paint(_coverage(shape, len(members), generator), generator)
    return Split(images=images, labels=labels)


def _paint(coverage: _Field, generator: np.random.Generator) -> NDArray[np.uint8]:
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
    ground = _uniform(generator, (count, 1), *_BRIGHTNESS) + _uniform(generator, (count, 3), -25.0, 25.0)
    # A shape that would be brighter than white or darker than black differs the other way.
    difference = np.where(np.abs(ground + difference - np.float32(127.5)) > 117.5, -difference, difference)
    along = (np.arange(_SIDE, dtype=np.float32) / np.float32(_SIDE - 1) - np.float32(0.5))[None, :]
    down, across = (_uniform(generator, (count, 1), -20.0, 20.0) * along for _ in range(2))
    shade = down[:, :, None] + across[:, None, :]
    pixels = ground[:, None, None, :] + shade[..., None] + coverage[..., None] * difference[:, None, None, :]
    pixels += np.float32(_NOISE) * _bell(generator, (*coverage.shape, 3))
    return np.clip(np.floor(pixels + np.float32(0.5)), 0.0, 255.0).astype(np.uint8)


def _coverage(shape: Callable[[_Field, _Field, _Field], _Field], count: int, generator: np.random.Generator) -> _Field:
    """Place ``count`` shapes: ``[N, H, W]`` in 0..1, soft over one pixel at the edges."""
    pixel = np.arange(_SIDE, dtype=np.float32) - np.float32((_SIDE - 1) / 2)
    x = pixel[None, None, :] - _uniform(generator, (count, 1, 1), -4.0, 4.0)
    y = pixel[None, :, None] - _uniform(generator, (count, 1, 1), -4.0, 4.0)
    # Points of the unit circle without sine and cosine: t is the tangent of half the turn, up to 28 degrees.
    t = _uniform(generator, (count, 1, 1), -0.25, 0.25)
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    radius = _uniform(generator, (count, 1, 1), 7.0, 12.0)
    distance = shape(cosine * x + sine * y, cosine * y - sine * x, radius)
    covered = np.clip(np.float32(0.5) - distance, 0.0, 1.0)
    return covered * (1 - _strip(count, generator))


def _strip(count: int, generator: np.random.Generator) -> _Field:
    """A strip of ground laid over half of the pictures: 1 where the shape is hidden, ``[N, H, W]``."""
    rows = np.arange(_SIDE, dtype=np.float32)[None, :]
    start = _uniform(generator, (count, 1), 0.0, _SIDE)
    width = _uniform(generator, (count, 1), -5.0, 5.0)
    hidden = ((rows >= start) & (rows < start + width)).astype(np.float32)
    upright = (_uniform(generator, (count, 1, 1)) < np.float32(0.5)).astype(np.float32)
    return hidden[:, :, None] * (1 - upright) + hidden[:, None, :] * upright


# Each shape gives the signed distance to its edge in pixels, negative inside, from coordinates
# (u, v) about its centre, [N, H, W], and its radius, [N, 1, 1].


def _disc(u: _Field, v: _Field, radius: _Field) -> _Field:
    return np.sqrt(u * u + v * v) - radius


def _ring(u: _Field, v: _Field, radius: _Field) -> _Field:
    return np.abs(_disc(u, v, np.float32(0.8) * radius)) - np.float32(0.2) * radius


def _square(u: _Field, v: _Field, radius: _Field) -> _Field:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.85) * radius


def _triangle(u: _Field, v: _Field, radius: _Field) -> _Field:
    slanted = np.float32(0.5) * v
    leaning = np.float32(0.8660254) * np.abs(u)
    return np.maximum(-v, slanted + leaning) - np.float32(0.6) * radius


def _cross(u: _Field, v: _Field, radius: _Field) -> _Field:
    wide, narrow = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(wide - radius, narrow - np.float32(0.28) * radius)


def _star(u: _Field, v: _Field, radius: _Field) -> _Field:
    # Inside a five-pointed star is what lies beyond at most one of five lines.
    upper, lower = np.float32(0.309017) * v, np.float32(-0.809017) * v
    wide, near = np.float32(0.9510565) * u, np.float32(0.5877853) * u
    beyond = np.stack([v, upper + wide, upper - wide, lower + near, lower - near])
    return np.partition(beyond, 3, axis=0)[3] - np.float32(0.36) * radius


def _wave(x: _Field, period: _Field) -> _Field:
    """A triangle wave: signed distance to the nearest edge of stripes half a period wide."""
    turns = x / period
    return (np.abs(turns - np.floor(turns) - np.float32(0.5)) - np.float32(0.25)) * period


def _within(texture: _Field, u: _Field, v: _Field, radius: _Field) -> _Field:
    return np.maximum(texture, _disc(u, v, np.float32(1.15) * radius))


def _stripes(u: _Field, v: _Field, radius: _Field) -> _Field:
    return _within(_wave(u, np.float32(0.6) * radius), u, v, radius)


def _checks(u: _Field, v: _Field, radius: _Field) -> _Field:
    across, down = _wave(u, radius), _wave(v, radius)
    nearer = np.minimum(np.abs(across), np.abs(down))
    return _within(np.where((across < 0) == (down < 0), -nearer, nearer), u, v, radius)


def _dots(u: _Field, v: _Field, radius: _Field) -> _Field:
    pitch = np.float32(0.75) * radius
    across, down = (x - pitch * np.floor(x / pitch + np.float32(0.5)) for x in (u, v))
    return _within(_disc(across, down, np.float32(0.33) * pitch), u, v, radius)


def _target(u: _Field, v: _Field, radius: _Field) -> _Field:
    distance = np.sqrt(u * u + v * v)
    return _within(_wave(distance, np.float32(0.66) * radius), u, v, radius)


_SHAPES: dict[str, Callable[[_Field, _Field, _Field], _Field]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "target": _target,
}


def _uniform(
    generator: np.random.Generator, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0
) -> NDArray[np.float32]:
    return np.float32(low) + np.float32(high - low) * generator.random(shape, dtype=np.float32)


def _bell(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Nearly normal noise of mean 0 and standard deviation 1: the sum of four random bytes."""
    total = generator.integers(0, 256, (4, *shape), dtype=np.uint8).sum(axis=0, dtype=np.int32)
    # One byte has mean 127.5 and variance (256² - 1) / 12.
    return (total.astype(np.float32) - np.float32(510.0)) / np.float32(147.8)
