"""Shapes and textures as signed distances, for the synthetic pictures.

Each gives the distance to its edge in pixels, negative inside, at points ``(u, v)`` about its centre
(float32 ``[N, H, W]``, in pixels) for its radius (``[N, 1, 1]``). Where two edges meet the distance is
a bound rather than exact, which is enough to soften an edge over one pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]
Shape: TypeAlias = Callable[[Field, Field, Field], Field]


def disc(u: Field, v: Field, radius: Field) -> Field:
    """A filled circle."""
    distance: Field = np.sqrt(u * u + v * v) - radius
    return distance


def ring(u: Field, v: Field, radius: Field) -> Field:
    """The outline of a circle."""
    distance: Field = np.abs(disc(u, v, np.float32(0.8) * radius)) - np.float32(0.2) * radius
    return distance


def square(u: Field, v: Field, radius: Field) -> Field:
    """A square, a little smaller than the circle's."""
    distance: Field = np.maximum(np.abs(u), np.abs(v)) - np.float32(0.85) * radius
    return distance


def triangle(u: Field, v: Field, radius: Field) -> Field:
    """An equilateral triangle."""
    slanted = np.float32(0.5) * v
    leaning = np.float32(0.8660254) * np.abs(u)
    distance: Field = np.maximum(-v, slanted + leaning) - np.float32(0.6) * radius
    return distance


def cross(u: Field, v: Field, radius: Field) -> Field:
    """Two bars at right angles."""
    wide, narrow = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    distance: Field = np.maximum(wide - radius, narrow - np.float32(0.28) * radius)
    return distance


def star(u: Field, v: Field, radius: Field) -> Field:
    """A five-pointed star."""
    # Inside a five-pointed star is what lies beyond at most one of five lines.
    upper, lower = np.float32(0.309017) * v, np.float32(-0.809017) * v
    wide, near = np.float32(0.9510565) * u, np.float32(0.5877853) * u
    beyond = np.stack([v, upper + wide, upper - wide, lower + near, lower - near])
    distance: Field = np.partition(beyond, 3, axis=0)[3] - np.float32(0.36) * radius
    return distance


def _wave(x: Field, period: Field) -> Field:
    """A triangle wave: signed distance to the nearest edge of stripes half a period wide."""
    turns = x / period
    distance: Field = (np.abs(turns - np.floor(turns) - np.float32(0.5)) - np.float32(0.25)) * period
    return distance


def _within(texture: Field, u: Field, v: Field, radius: Field) -> Field:
    distance: Field = np.maximum(texture, disc(u, v, np.float32(1.15) * radius))
    return distance


def stripes(u: Field, v: Field, radius: Field) -> Field:
    """Parallel stripes inside a circle."""
    return _within(_wave(u, np.float32(0.6) * radius), u, v, radius)


def checks(u: Field, v: Field, radius: Field) -> Field:
    """A checkerboard inside a circle."""
    across, down = _wave(u, radius), _wave(v, radius)
    nearer = np.minimum(np.abs(across), np.abs(down))
    return _within(np.where((across < 0) == (down < 0), -nearer, nearer), u, v, radius)


def dots(u: Field, v: Field, radius: Field) -> Field:
    """Rows of dots inside a circle."""
    pitch = np.float32(0.75) * radius
    across, down = (x - pitch * np.floor(x / pitch + np.float32(0.5)) for x in (u, v))
    return _within(disc(across, down, np.float32(0.33) * pitch), u, v, radius)


def target(u: Field, v: Field, radius: Field) -> Field:
    """Rings around one another."""
    distance = np.sqrt(u * u + v * v)
    return _within(_wave(distance, np.float32(0.66) * radius), u, v, radius)


SHAPES: Mapping[str, Shape] = {
    "disc": disc,
    "ring": ring,
    "square": square,
    "triangle": triangle,
    "cross": cross,
    "star": star,
    "stripes": stripes,
    "checks": checks,
    "dots": dots,
    "target": target,
}
