"""The made-up format of :mod:`support.formats.fake`, registered as any format is: by a file in a folder of formats."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_cifar import packages
from edge_cifar.export import pool
from support import bench as bench_support


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Make the format known by its one file, in a folder of its own, and have it converted to in this process.

    Returns:
        The file.
    """
    from support.export import converting_here

    file = Path(shutil.copy(bench_support.FORMATS / "fake.py", folder))
    bench_support.install(monkeypatch, folder)
    monkeypatch.setattr(pool, "converting", converting_here)
    return file


def network() -> Any:
    """A network whose answers follow from the mean colour by one layer, which is all that the format can hold."""
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3), name="image")
    mean = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(image))
    spread = keras.initializers.RandomNormal(stddev=20.0)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="last", kernel_initializer=spread)(mean))
