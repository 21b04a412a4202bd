"""Class-balanced choices among images, each a function of the labels and a seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.errors import DataError, UsageError


def balanced_indices(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Choose images as evenly over the classes as they allow.

    The classes are dealt like cards: one random image of each class in turn, until ``count`` are
    chosen; a class that runs out is passed over.

    Args:
        labels: ``[N]`` class numbers.
        count: how many to choose; all are chosen where there are fewer.
        seed: of the choice.

    Returns:
        int64 ``[min(count, N)]``, ascending.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, first, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    turn = np.arange(len(labels)) - np.repeat(first, sizes)
    dealt = by_class[np.argsort(turn, kind="stable")]
    return np.sort(dealt[:count]).astype(np.int64)


def validation_split(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Set training images aside for validation, the same fraction of every class.

    Args:
        split: training images.
        fraction: of each class to set aside, between 0 and 1; rounded, but at least one image of
            every class that has two.
        seed: of the choice.

    Returns:
        What is left for training, and the validation images; both in the order they had.

    Raises:
        UsageError: the fraction is not between 0 and 1.
        DataError: there are too few images to split.
    """
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"the validation split must be between 0 and 1; got {fraction}")
    chosen = held_out(split, fraction, seed)
    if not chosen.any() or chosen.all():
        raise DataError(f"{len(split)} training images are too few to hold out a validation set; use more")
    return split.take(np.flatnonzero(~chosen)), split.take(np.flatnonzero(chosen))


def held_out(split: Split, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark the given fraction of every class, at random; copies of one image are marked together or not at all.

    Where all are copies of one image for each class, so that nothing could be marked, they count as different images.

    Args:
        split: copies are told by its digests, where it has them.
        fraction: as in :func:`stratified_mask`.
        seed: of the choice.

    Returns:
        bool ``[N]``.
    """
    if split.digests is None:
        return stratified_mask(split.labels, fraction, seed)
    _, first, of = np.unique(split.digests, axis=0, return_index=True, return_inverse=True)
    # In the order of the images, so that a split without copies is divided by its labels alone.
    originals = np.sort(first)
    chosen = np.zeros(len(split), np.bool_)
    chosen[originals] = stratified_mask(split.labels[originals], fraction, seed)
    if not chosen.any():
        return stratified_mask(split.labels, fraction, seed)
    mask: NDArray[np.bool_] = chosen[first[of.reshape(-1)]]
    return mask


def stratified_mask(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark the given fraction of every class, at random.

    Of a class with at least two images at least one is marked and at least one is not.

    Returns:
        bool ``[N]``.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        marked = min(max(round(fraction * len(members)), 1), len(members) - 1)
        chosen[members[:marked]] = True
    return chosen
