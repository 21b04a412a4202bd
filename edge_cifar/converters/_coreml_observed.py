"""What calibration images show of a Core ML program: ranges and means of the values it computes, without a Mac."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.converters import Calibration
from edge_cifar.runtimes import coreml_reference
from edge_cifar.storage import scratch

_BATCH = 25


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen of each value, by its name in the program.

    Attributes:
        lows, highs: least and largest number.
        means: float64 ``[channels]``, over the images and all places.
    """

    lows: Mapping[str, float]
    highs: Mapping[str, float]
    means: Mapping[str, NDArray[np.float64]]


def observe(program: Any, calibration: Calibration) -> Observed:
    """Let the reference evaluator compute the calibration images.

    Args:
        program: an ``mlprogram`` in floats; it stays as it is.
        calibration: the images.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    sums: dict[str, Any] = {}

    def watch(name: str, value: NDArray[Any]) -> None:
        if value.dtype != np.float32:
            return
        lows[name] = min(lows.get(name, np.inf), float(value.min()))
        highs[name] = max(highs.get(name, -np.inf), float(value.max()))
        if value.ndim > 2:
            # [n, 1, channels] or [n, 1, channels, height, width]: chunk, and each image as the program declares it.
            places = tuple(range(3, value.ndim))
            sums[name] = sums.get(name, 0.0) + value.mean(axis=places, dtype=np.float64).sum(axis=(0, 1))

    with scratch.folder("observe") as folder:
        path = folder / f"float{coreml_reference.SUFFIX}"
        program.save(str(path))
        runtime = coreml_reference.load(path)
        for start in range(0, len(calibration.images), _BATCH):
            runtime.observe(calibration.images[start : start + _BATCH], watch)
    means = {name: total / len(calibration.images) for name, total in sums.items()}
    return Observed(lows=lows, highs=highs, means=means)
