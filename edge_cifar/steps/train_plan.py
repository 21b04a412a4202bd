"""``train --dry-run``: what a training would do, with time and disk space estimated from a few timed steps."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from edge_cifar import packages
from edge_cifar.data import Split
from edge_cifar.documents.run import Run
from edge_cifar.progress import Advance, Progress
from edge_cifar.recipe import Phase
from edge_cifar.steps._train_request import Request, TrainOptions, prepare
from edge_cifar.storage import scratch

__all__ = ["TrainOptions", "TrainingPlan", "plan"]

# Steps until the network is compiled and its memory is taken, and those that are timed after them.
_WARM_UP, _TIMED = 3, 8
# A step multiplies three times: forward, and for the gradients by weights and by inputs. Validation goes forward only.
_FORWARD_SHARE = 1 / 3
_FLOAT_BYTES = 4
# Moments that an optimizer keeps of each weight that it trains.
_MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1}


@dataclass(frozen=True, kw_only=True)
class PhasePlan:
    """A phase as it would be trained.

    Attributes:
        name: the recipe's name for it.
        epochs: how many.
        steps: of each epoch.
        trainable_parameters: how many it trains.
        cached: whether frozen layers would be computed once, so that the phase takes less than ``seconds``.
        step_seconds: of a step on images; None where the phase has no whole step to time.
        seconds: of all its epochs, validation among them; None likewise.
    """

    name: str
    epochs: int
    steps: int
    trainable_parameters: int
    cached: bool
    step_seconds: float | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A training as it would be done.

    Attributes:
        run: where it would go.
        device: where it would be computed.
        parameters: of the network.
        images: by split.
        phases: in their order.
        run_bytes: of the weights that stay.
        checkpoint_bytes: on disk while it trains.
        cache_bytes: of the cached output of frozen layers, while it trains.
    """

    run: Run
    device: str
    parameters: int
    images: dict[str, int]
    phases: tuple[PhasePlan, ...]
    run_bytes: int
    checkpoint_bytes: int
    cache_bytes: int

    @property
    def seconds(self) -> float | None:
        """Of all phases; None where a phase could not be timed."""
        found = [phase.seconds for phase in self.phases if phase.seconds is not None]
        return sum(found) if len(found) == len(self.phases) else None

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {**asdict(self), "run": str(self.run.path), "seconds": self.seconds}


def plan(options: TrainOptions, progress: Progress) -> TrainingPlan:
    """Find out what a training would do; writes nothing.

    Each phase is timed for a few steps on images, from random weights.

    Raises:
        UsageError, DataError, RunError, TrainingError: as the training itself.
    """
    request = prepare(options, progress)
    keras = packages.require_keras()
    from edge_cifar.training import backend, feature_plan, parallel, phases

    place = backend.select_device(options.device)
    policy = backend.precision_policy(options.mixed_precision, place)
    recipe, data = request.recipe, request.data
    with place.scope(), parallel.over(place.parts, recipe.batch_size), scratch.folder("plan") as folder:
        model = request.model(keras, policy, "none")
        budget = feature_plan.DiskBudget.at(
            request.run.checkpoint_path,
            options.feature_cache_gb * 1e9,
            train=len(data.train),
            validation=len(data.validation),
        )
        decisions = feature_plan.plan(model, recipe, budget)
        planned = []
        with progress.bar("Timing steps", len(recipe.phases)) as advance:
            for number, (phase, decision) in enumerate(zip(recipe.phases, decisions, strict=True)):
                phases.set_trainable(model, phase.trainable)
                trainable = phases.trainable_parameters(model)
                seconds = _step_seconds(request, model, phase, folder / str(number))
                planned.append(_planned(request, phase, trainable, seconds, cached=decision.cut is not None))
                advance(1)
    parameters = model.count_params()
    moments = _MOMENTS[recipe.optimizer] * max(phase.trainable_parameters for phase in planned)
    return TrainingPlan(
        run=request.run,
        device=place.name,
        parameters=parameters,
        images={"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        phases=tuple(planned),
        run_bytes=_FLOAT_BYTES * parameters,
        # The weights as they are, and the best so far.
        checkpoint_bytes=_FLOAT_BYTES * (2 * parameters + moments),
        cache_bytes=sum({decision.cut: decision.size_bytes for decision in decisions if decision.cut}.values()),
    )


def _planned(request: Request, phase: Phase, trainable: int, step: float | None, *, cached: bool) -> PhasePlan:
    batch, data = request.recipe.batch_size, request.data
    steps = math.ceil(len(data.train) / batch)
    validation = _FORWARD_SHARE * len(data.validation) / batch
    return PhasePlan(
        name=phase.name,
        epochs=phase.epochs,
        steps=steps,
        trainable_parameters=trainable,
        cached=cached,
        step_seconds=step,
        seconds=None if step is None else phase.epochs * (steps + validation) * step,
    )


def _step_seconds(request: Request, model: Any, phase: Phase, checkpoint: Path) -> float | None:
    """Median time of a few steps of a phase."""
    from edge_cifar.training.checkpoint import State
    from edge_cifar.training.loop import Training

    train, validation = request.data.train, request.data.validation
    count = request.recipe.batch_size * (_WARM_UP + _TIMED)
    short = replace(phase, epochs=1, warmup_epochs=0.0, step_epochs=(), reestimate_batch_norm=False)
    stopwatch = _Stopwatch()
    training = Training(
        model,
        replace(request.recipe, phases=(short,)),
        Split(images=train.images[:count], labels=train.labels[:count]),
        Split(images=validation.images[:1], labels=validation.labels[:1]),
        seed=request.options.seed,
        state=State(settings=request.settings),
        checkpoint=checkpoint,
        feature_cache_bytes=0,
        progress=stopwatch,
    )
    with suppress(_EnoughError):
        training.run()
    return stopwatch.step_seconds


class _EnoughError(Exception):
    """As many steps were timed as were wanted."""


class _Stopwatch:
    """Progress that notes when each step ended, and stops the training after enough of them."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    @property
    def step_seconds(self) -> float | None:
        settled = self._ends[_WARM_UP - 1 :] if len(self._ends) > _WARM_UP else self._ends
        taken = [after - before for before, after in itertools.pairwise(settled)]
        return median(taken) if taken else None

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        yield self._count

    def say(self, text: str) -> None:
        return None

    def _count(self, units: int) -> None:
        self._ends.append(time.perf_counter())
        if len(self._ends) >= _WARM_UP + _TIMED:
            raise _EnoughError
