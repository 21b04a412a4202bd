"""Frozen features: what the layers before a cut give for every image, computed once for all epochs behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Model
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.errors import BundleError
from edge_cifar.progress import Progress
from edge_cifar.recipe import Augmentation, Recipe
from edge_cifar.storage import files
from edge_cifar.storage.mapped_files import Resident
from edge_cifar.training import feature_cache, parallel
from edge_cifar.training.feature_cache import FeatureCache, Shapes
from edge_cifar.training.feature_cut import Cut, between, cuts
from edge_cifar.training.feature_plan import TARGET, Decision
from edge_cifar.training.learner import Learner
from edge_cifar.training.stage import Stage

FOLDER = "features"
# As fast on a processor as larger ones, or faster, where layers are wide and images many; little is padded.
BATCH_SIZE = 64


class FrozenFeatures:
    """The caches that a plan asks for, made when a phase comes to need them and removed behind it."""

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        whole: Stage,
        *,
        plan: Sequence[Decision],
        settings: dict[str, Any],
        class_weights: NDArray[np.float32] | None,
        seed: int,
        checkpoint: Path,
        progress: Progress,
    ) -> None:
        """Prepare.

        Args:
            model: in training; functional.
            recipe: as it is trained.
            whole: the stage without cached features: all images.
            plan: one decision for each phase.
            settings: of the training; features made under others are not used.
            class_weights: float32 ``[classes]``, of each class in the loss; None for equal ones.
            seed: of the augmented views.
            checkpoint: the folder that the caches stand in.
            progress: told of it.
        """
        self._model = model
        self._augmentation = recipe.augmentation
        self._images, self._targets, self._validation = whole.views[0], whole.targets[0], whole.validation
        self._plan = plan
        self._settings = settings
        self._class_weights = class_weights
        self._seed = seed
        self._folder = checkpoint / FOLDER
        self._progress = progress
        self._cuts = {cut.position: cut for cut in cuts(model)}
        self._batch_size = min(BATCH_SIZE, max(len(self._images), len(self._validation)))

    def stage(self, index: int) -> Stage | None:
        """What the phase of this index fits, its features at hand; None where it is planned on images.

        Raises:
            EdgeCifarError: the features cannot be written.
        """
        self._remove_all_but({decision.position for decision in self._plan[index:]})
        decision = self._plan[index]
        if decision.cut is None:
            return None
        cache = self._cache(decision)
        network = between(self._model, self._cuts[decision.position], None)
        return Stage(
            # Augmentation is in the views already.
            learner=Learner(network, Augmentation(), self._seed, self._class_weights),
            network=network,
            views=list(cache.train),
            targets=list(cache.targets),
            validation=cache.validation,
        )

    def _remove_all_but(self, positions: set[int]) -> None:
        names = {str(position) for position in positions}
        # What a killed training left half-written goes too.
        for left in [*self._folder.iterdir()] if self._folder.is_dir() else []:
            if left.name not in names:
                files.remove(left)

    def _cache(self, decision: Decision) -> FeatureCache:
        """The features of a decision's cut: those on disk, or made anew."""
        cut = self._cuts[decision.position]
        folder, key, shapes = self._folder / str(cut.position), self._key(cut), self._shapes(cut, decision.views)
        try:
            found = feature_cache.read(folder, key, shapes)
        except BundleError as error:
            self._progress.say(f"{error}; computing them again")
            found = None
        return found or feature_cache.write(folder, key, shapes, lambda cache: self._fill(cache, decision, cut))

    def _key(self, cut: Cut) -> str:
        """A digest of all that the features depend on."""
        digest = hashlib.sha256(json.dumps([self._settings, keras.backend.backend(), keras.__version__]).encode())
        for weight in between(self._model, None, cut).weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
        return digest.hexdigest()

    def _shapes(self, cut: Cut, views: int) -> Shapes:
        feature = tuple(cut.tensor.shape[1:])
        return {
            "train": ((views, len(self._images), *feature), cut.dtype),
            "targets": ((views, *self._targets.shape), TARGET),
            "validation": ((len(self._validation), *feature), cut.dtype),
        }

    def _fill(self, cache: FeatureCache, decision: Decision, cut: Cut) -> None:
        """Compute features from those of the plan's source, or from augmented images."""
        if decision.source:
            source = self._cache(next(other for other in self._plan if other.position == decision.source))
            views, targets_of = list(source.train), list(source.targets)
            validation: NDArray[Any] | MappedImages = source.validation
            part, augmentation = between(self._model, self._cuts[decision.source], cut), Augmentation()
        else:
            # The images as they are, once for each view.
            views, targets_of = [self._images] * decision.views, [self._targets] * decision.views
            validation = self._validation
            part, augmentation = between(self._model, None, cut), self._augmentation
        total = decision.views * len(self._images) + len(self._validation)
        resident = [Resident(array) for array in (cache.train, *views) if isinstance(array, np.ndarray)]
        with self._progress.bar(f"features of {cut.name}", total) as advance:
            for view in range(decision.views):
                # Its own generators: a view is the same whatever was computed before it.
                augmenter = Learner(part, augmentation, seed=self._view_seed(view))
                for rows in self._batches(len(self._images)):
                    images, targets = augmenter.change(views[view][rows], targets_of[view][rows], training=True)
                    cache.train[view, rows] = self._outputs(part, keras.ops.convert_to_numpy(images))
                    cache.targets[view, rows] = keras.ops.convert_to_numpy(targets)
                    for one in resident:
                        one.touched(cache.train[view, rows].nbytes)
                    advance(len(images))
            for rows in self._batches(len(self._validation)):
                images = validation[rows]
                cache.validation[rows] = self._outputs(part, images)
                advance(len(images))

    def _view_seed(self, view: int) -> int:
        return int(np.random.default_rng([self._seed, view]).integers(2**31))

    def _batches(self, count: int) -> list[slice]:
        return [slice(start, start + self._batch_size) for start in range(0, count, self._batch_size)]

    def _outputs(self, part: Model, inputs: NDArray[Any]) -> NDArray[Any]:
        # A last batch of another size would have the backend compile the network again.
        missing = self._batch_size - len(inputs)
        whole = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]) if missing else inputs
        with parallel.undivided():
            # On several devices TensorFlow computes such a batch on each of them: the first answer is taken.
            outputs: NDArray[Any] = part.predict_on_batch(whole)[: len(inputs)]
        return outputs
