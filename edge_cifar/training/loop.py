"""The training loop: phases, epochs, the best weights, and a state to resume from after every epoch."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Model
from edge_cifar.data import Split
from edge_cifar.data.balance import class_weights
from edge_cifar.data.mapped_images import MappedImages, choose
from edge_cifar.errors import TrainingError
from edge_cifar.progress import Progress
from edge_cifar.recipe import Phase, Recipe
from edge_cifar.training import batch_norm, feature_plan, parallel, phases
from edge_cifar.training.averaging import TrainedWeights
from edge_cifar.training.checkpoint import Arrays, State
from edge_cifar.training.feature_plan import Decision, DiskBudget
from edge_cifar.training.features import FrozenFeatures
from edge_cifar.training.learner import Learner
from edge_cifar.training.stage import ImageBatches, Stage

EVALUATION_BATCH = 250
# Of an image, where a batch of that many is evaluated.
_USUAL_PIXELS = 96 * 96


class Training:
    """A model on its way through a recipe.

    What is fitted is the given model behind the augmentation layers, or the part of it behind a cut
    on cached features; all share their weights, so what is kept and saved is always the given model.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        train: Split,
        validation: Split,
        *,
        seed: int,
        state: State,
        checkpoint: Path,
        feature_cache_bytes: float,
        progress: Progress,
    ) -> None:
        """Prepare.

        Args:
            model: functional; what is trained.
            recipe: how.
            train: what it is fitted to.
            validation: what its best weights are chosen on.
            seed: of everything random.
            state: fresh, or read from ``checkpoint`` to resume.
            checkpoint: folder of the state and of cached features.
            feature_cache_bytes: what cached features may take on disk; 0 for none.
            progress: told how it goes.
        """
        self.model = model
        self.recipe = recipe
        self.train = train
        self.validation = validation
        self.seed = seed
        self.state = state
        self.checkpoint = checkpoint
        self.progress = progress
        weights = class_weights(train.labels, model.output_shape[-1]) if recipe.class_weights == "balanced" else None
        self.learner = Learner(model, recipe.augmentation, seed, weights)
        targets = np.eye(model.output_shape[-1], dtype=np.float32)[train.labels]
        self._whole = Stage(
            learner=self.learner,
            network=model,
            views=[train.images],
            targets=[targets],
            validation=validation.images,
        )
        if not state.plan:
            budget = DiskBudget.at(checkpoint, feature_cache_bytes, train=len(train), validation=len(validation))
            state.plan = [asdict(decision) for decision in feature_plan.plan(model, recipe, budget)]
        self._plan = [Decision(**decision) for decision in state.plan]
        self._features = FrozenFeatures(
            model,
            recipe,
            self._whole,
            plan=self._plan,
            settings=state.settings,
            class_weights=weights,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )

    def run(self) -> None:
        """Train through all phases, from where the state stands; ends with the best weights in the model.

        Raises:
            TrainingError: the loss is no longer a number; the best weights so far stay in the checkpoint.
        """
        batch_norm.set_momentum(self.model, self.recipe.batch_norm_momentum)
        if self.state.variables:
            _assign(self.learner.variables, self.state.variables)
        else:
            # Killed from here on, while features are made or in the first epoch, it can be resumed.
            self._save()
        for index in range(self.state.phase, len(self.recipe.phases)):
            self._run_phase(index, self.recipe.phases[index])

    def _run_phase(self, index: int, phase: Phase) -> None:
        state = self.state
        steps = math.ceil(len(self.train) / self.recipe.batch_size)
        phases.set_trainable(self.model, phase.trainable)
        learning, all_parameters = phases.trainable_parameters(self.model), self.model.count_params()
        self.progress.say(f"phase {phase.name}: {learning:,} of {all_parameters:,} parameters are trainable")
        stage = self._stage(index)
        stage.learner.compile(
            optimizer=phases.optimizer(self.recipe, phase, steps),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=self.recipe.label_smoothing),
            metrics=["accuracy"],
            jit_compile=keras.backend.backend() == "jax",  # XLA trains several times slower on TensorFlow's CPU.
        )
        optimizer = stage.learner.optimizer
        optimizer.build(stage.learner.trainable_variables)
        if state.optimizer:
            _assign(optimizer.variables, state.optimizer)
        for epoch in range(state.epoch, phase.epochs):
            self._run_epoch(stage, index, phase, epoch, steps)
        # The next phase, and whoever reads the model, goes on from the best weights, not from the last.
        if state.best:
            _assign(self.model.variables, state.best)
        renewed = self._renew_batch_norm(stage, phase)
        entries = [entry for entry in state.history if entry["phase_index"] == index]
        state.phases.append(
            {
                "name": phase.name,
                "epochs": phase.epochs,
                "trainable_parameters": learning,
                "seconds": state.caching_seconds + sum(entry["seconds"] for entry in entries),
                "batch_norm_reestimated": renewed,
                "features": self._plan[index].to_json() | {"seconds": state.caching_seconds},
            }
        )
        state.phase, state.epoch, state.optimizer, state.caching_seconds = index + 1, 0, [], 0.0
        self._save()

    def _stage(self, index: int) -> Stage:
        """What a phase fits, as it was planned: on cached features, or on the images."""
        start = time.perf_counter()
        if sentence := self._plan[index].sentence():
            self.progress.say(f"phase {self.recipe.phases[index].name} {sentence}")
        cached = self._features.stage(index)
        if cached is None:
            return self._whole
        self.state.caching_seconds += time.perf_counter() - start
        return cached

    def _run_epoch(self, stage: Stage, index: int, phase: Phase, epoch: int, steps: int) -> None:
        state = self.state
        start = time.perf_counter()
        if phase.schedule == "plateau":
            losses = [entry["val_loss"] for entry in state.history if entry["phase_index"] == index]
            stage.learner.optimizer.learning_rate = phases.plateau_rate(phase, losses)
        order = np.random.default_rng([self.seed, index, epoch]).permutation(len(self.train))
        trained = TrainedWeights()
        with self.progress.bar(f"{phase.name} {epoch + 1}/{phase.epochs}", steps) as advance:
            fitted = stage.learner.fit(
                stage.batches(epoch, parallel.even(order), self.recipe.batch_size),
                shuffle=False,
                verbose=0,
                callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(1)), trained],
            )
        loss, accuracy = fitted.history["loss"][0], fitted.history["accuracy"][0]
        val_loss, val_accuracy = self._validate(stage)
        # In half precision the weights may overflow in the epoch's last steps, when its mean loss is still a number.
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            kept = "the checkpoint has the best weights so far; " if state.best else ""
            raise TrainingError(
                f"the loss became NaN or infinite in epoch {epoch + 1} of phase {phase.name!r}; {kept}try a lower "
                "--learning-rate, or --mixed-precision off"
            )
        state.history.append(
            {
                "epoch": len(state.history) + 1,
                "phase": phase.name,
                "phase_index": index,
                "loss": loss,
                "accuracy": accuracy,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "learning_rate": phases.middle_rate(phase, stage.learner.optimizer, epoch, steps),
                "seconds": time.perf_counter() - start,
            }
        )
        self.progress.say(
            f"{phase.name} {epoch + 1}/{phase.epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}, "
            f"validation {val_accuracy:.4f}, {state.history[-1]['seconds']:.0f} s"
        )
        self._keep_if_best(val_accuracy)
        trained.put_back()
        state.epoch, state.optimizer = epoch + 1, _arrays(stage.learner.optimizer.variables)
        self._save()

    def _renew_batch_norm(self, stage: Stage, phase: Phase) -> bool | None:
        if not phase.reestimate_batch_norm:
            return None
        order = np.random.default_rng([self.seed, len(self.state.history)]).permutation(len(self.train))
        scores: list[float] = []

        def score() -> float:
            loss, accuracy = self._validate(stage)
            scores.append(accuracy if math.isfinite(loss) else 0.0)
            return scores[-1]

        images = choose(self.train.images, order[: batch_norm.IMAGES])
        kept = batch_norm.reestimate(self.model, images, score=score)
        if kept:
            self._keep_if_best(scores[-1])
        return kept

    def _validate(self, stage: Stage) -> tuple[float, float]:
        """Cross-entropy and accuracy on the validation images."""
        probabilities = predict(stage.network, stage.validation)
        labels = self.validation.labels
        likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        loss = float(-np.log(np.maximum(likelihood, keras.config.epsilon())).mean())
        return loss, float((probabilities.argmax(1) == labels).mean())

    def _keep_if_best(self, val_accuracy: float) -> None:
        # On a tie the later weights win: they have seen more.
        if val_accuracy >= self.state.best_accuracy:
            self.state.best_accuracy = val_accuracy
            self.state.best = _arrays(self.model.variables)

    def _save(self) -> None:
        self.state.variables = _arrays(self.learner.variables)
        self.state.write(self.checkpoint)


def predict(model: Model, images: NDArray[Any] | MappedImages) -> NDArray[np.float32]:
    """A model's probabilities for images ``[N, H, W, 3]``, or for features; float32 ``[N, classes]``."""
    with parallel.undivided():
        if isinstance(images, MappedImages):
            # Large images: a batch's activations, which grow with their area, must not fill the memory.
            size = min(max(EVALUATION_BATCH * _USUAL_PIXELS // math.prod(images.shape[1:3]), 1), EVALUATION_BATCH)
            return np.asarray(model.predict(ImageBatches(images, size), verbose=0), np.float32)
        return np.asarray(model.predict(images, batch_size=EVALUATION_BATCH, verbose=0), np.float32)


def _arrays(variables: list[Any]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list[Any], arrays: Arrays) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
