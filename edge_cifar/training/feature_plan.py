"""Which phases of a recipe train on cached features, decided before the first of them begins."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.backbones import Model
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar.storage import files
from edge_cifar.training import phases
from edge_cifar.training.feature_cut import Cut, cost, last_frozen_cut

# Below this share of a phase's arithmetic, writing and reading the features eats up what they save.
LEAST_SAVING = 0.2
# What the caches leave free on their disk, for the checkpoint and for the run that comes after it.
SPARE_BYTES = 10**9
# A layer that learns multiplies three times: forward, and for the gradients by its weights and by its inputs.
_LEARNING = 3
NOTHING_FROZEN = "no frozen layers precede the trainable ones"
TARGET = np.dtype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a phase trains on.

    Attributes:
        cut: the layer whose output is cached; None where the phase trains on the images.
        reason: why there is no cut; empty where there is one.
        position: the cut's :attr:`edge_cifar.training.feature_cut.Cut.position`; 0 without a cut.
        source: position of a later phase's cut, from whose features these are computed; 0 where they
            are computed from the images.
        views: augmented views of each training image.
        size_bytes: of the cache.
    """

    cut: str | None = None
    reason: str = ""
    position: int = 0
    source: int = 0
    views: int = 1
    size_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return {"cut": self.cut, "reason": self.reason, "views": self.views, "bytes": self.size_bytes}

    def sentence(self) -> str:
        """For people; empty where there was nothing to decide."""
        if self.reason == NOTHING_FROZEN:
            return ""
        if self.cut is None:
            return f"trains on images, without a feature cache: {self.reason}"
        views = f"{self.views} views of each image" if self.views > 1 else "each image"
        return f"trains on cached features (output of {self.cut} for {views}, {gigabytes(self.size_bytes)})"


@dataclass(frozen=True, kw_only=True)
class DiskBudget:
    """How much there is to cache, and how much space for it.

    Attributes:
        train: number of training images.
        validation: number of validation images.
        limit_bytes: what all caches that stand at the same time may take.
        free_bytes: on the disk that they come to stand on.
    """

    train: int
    validation: int
    limit_bytes: float
    free_bytes: float

    @classmethod
    def at(cls, place: Path, limit_bytes: float, *, train: int, validation: int) -> DiskBudget:
        """The disk budget at a place, which need not exist yet; its content counts as free, since it is replaced."""
        standing = next(folder for folder in place.absolute().parents if folder.exists())
        free = shutil.disk_usage(standing).free + (files.size_bytes(place) if place.exists() else 0)
        return cls(train=train, validation=validation, limit_bytes=limit_bytes, free_bytes=free)


def plan(model: Model, recipe: Recipe, budget: DiskBudget) -> list[Decision]:
    """One decision for each phase of the recipe.

    Where the next phase's cut lies before a phase's own, the features of the one are computed from
    those of the other, so that the images go through the common layers once; and where a cache of its
    own would not pay, a phase trains on the next one's.

    Args:
        model: functional; its layers' ``trainable`` is changed.
        recipe: as it is trained.
        budget: for the caches.
    """
    views = recipe.views if recipe.augmentation != Augmentation() else 1
    decisions: list[Decision] = []
    source: Cut | None = None
    taken = 0
    for phase in reversed(recipe.phases):
        phases.set_trainable(model, phase.trainable)
        cut = last_frozen_cut(model)
        if source and (cut is None or cut.position < source.position):
            # What the next phase freezes learns in this one: nothing to share.
            source, taken = None, 0
        size = _size_bytes(model, cut, views, budget) if cut else 0
        reason = _does_not_pay(model, phase, cut, source, views) or _over_budget(taken + size, budget)
        if cut and not reason:
            position = source.position if source else 0
            decisions.append(
                Decision(cut=cut.name, position=cut.position, source=position, views=views, size_bytes=size)
            )
            source, taken = cut, taken + size
        else:
            decisions.append(decisions[-1] if source else Decision(reason=reason))
    return decisions[::-1]


def _does_not_pay(model: Model, phase: Phase, cut: Cut | None, source: Cut | None, views: int) -> str:
    """Why features of its own would not make a phase faster; empty where they would."""
    if cut is None or not cost(model, None, cut):
        return NOTHING_FROZEN
    if phase.epochs <= views:
        return f"the cache would need {views} views of each image, training alone only {phase.epochs}"
    frozen, learning = cost(model, source, cut), cost(model, cut, None)
    saving = (phase.epochs - views) / phase.epochs * frozen / (frozen + _LEARNING * learning)
    if saving < LEAST_SAVING:
        return f"it would save {max(0, saving):.0%} of the compute, less than {LEAST_SAVING:.0%}"
    return ""


def _over_budget(size: int, budget: DiskBudget) -> str:
    if not budget.limit_bytes:
        return "it is turned off"
    if size > budget.limit_bytes:
        return f"it would need {gigabytes(size)}, more than the limit of {gigabytes(budget.limit_bytes)}"
    if size > budget.free_bytes - SPARE_BYTES:
        return f"it would need {gigabytes(size)}, and the disk has {gigabytes(budget.free_bytes)} free"
    return ""


def _size_bytes(model: Model, cut: Cut, views: int, budget: DiskBudget) -> int:
    """Features of all views and of the validation images, and the views' targets."""
    features: int = math.prod(cut.tensor.shape[1:]) * cut.dtype.itemsize
    targets: int = model.output_shape[-1] * TARGET.itemsize
    return views * budget.train * (features + targets) + budget.validation * features


def gigabytes(size: float) -> str:
    """A size in bytes for people."""
    return f"{size / 1e9:.2f} GB"
