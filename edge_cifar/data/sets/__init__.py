"""Data sets: one module each, whose ``DATA_SET`` says where its images come from and what they allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_cifar.data import Dataset
from edge_cifar.data.published import PublishedSet
from edge_cifar.plugins import Registry
from edge_cifar.progress import Progress


class Load(Protocol):
    """How a data set is read or made."""

    def __call__(self, *, data_dir: Path | str | None, seed: int, progress: Progress) -> Dataset:
        """The images, with their split.

        Args:
            data_dir: where its files lie; None to look for them in the usual places.
            seed: of what is made or chosen at random.
            progress: told of downloads and reading.

        Raises:
            UsageError: the set lies in no folder.
            DataError: the data are missing or damaged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that has a name.

    Attributes:
        name: as on the command line.
        load: reads or makes it.
        licence: a sentence or two on who made the images and what they allow, for the model card.
        published: what is downloaded; None for a set that is made by code.
    """

    name: str
    load: Load
    licence: str
    published: PublishedSet | None = None


_REGISTRY = Registry("edge_cifar.data.sets", "data set", "DATA_SET", DataSet)


def names() -> tuple[str, ...]:
    """Names of all data sets, by file."""
    return _REGISTRY.names()


def get(name: str) -> DataSet:
    """The data set called ``name``.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    return _REGISTRY.get(name)
