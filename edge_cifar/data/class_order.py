"""A data set with its classes in a model's order: by their names, or where those say nothing by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split
from edge_cifar.errors import DataError


def in_order(dataset: Dataset, labels: Sequence[str], *, by_number: bool) -> Dataset:
    """A data set whose class numbers are those of a model's outputs.

    Args:
        dataset: with classes of its own; it may lack some of the model's.
        labels: the model's class names, in the order of its outputs.
        by_number: whether classes whose names the model does not know keep their numbers, and take the model's names.

    Raises:
        DataError: the data have a class that the model does not.
    """
    names = tuple(labels)
    if dataset.labels == names:
        return dataset
    places = {name: number for number, name in enumerate(names)}
    if strangers := [name for name in dataset.labels if name not in places]:
        if all(name.isdecimal() and int(name) < len(names) for name in dataset.labels):
            # Folders called by the numbers of their classes, which sort as text does: 0, 1, 10, 2.
            order = np.array([int(name) for name in dataset.labels], np.int64)
        elif by_number and len(dataset.labels) <= len(names):
            order = np.arange(len(dataset.labels), dtype=np.int64)
        else:
            raise DataError(
                f"{dataset.name} has classes that the model does not: {', '.join(strangers[:5])}; its classes are "
                f"{', '.join(names[:10])}{', …' if len(names) > 10 else ''}: name them as the data do with --labels"
            )
    else:
        order = np.array([places[name] for name in dataset.labels], np.int64)
    return replace(
        dataset,
        labels=names,
        train=_renumbered(dataset.train, order),
        test=_renumbered(dataset.test, order),
        validation=dataset.validation and _renumbered(dataset.validation, order),
    )


def _renumbered(split: Split, order: NDArray[np.int64]) -> Split:
    return replace(split, labels=order[split.labels])
