"""Keras' own files: the baseline that every artifact is held against; run, and not exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format

if TYPE_CHECKING:
    from edge_cifar.runtimes import RuntimeModule


def _keras() -> RuntimeModule:
    from edge_cifar.runtimes import keras

    return keras


FORMAT = Format(
    name="keras",
    suffixes=(".keras", ".h5", ".hdf5"),
    marker="x",
    colour="#6B7280",
    runtimes={"keras": _keras},
)
