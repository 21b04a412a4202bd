"""What a phase means for a model: which layers learn, by which optimizer, at which rate."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import keras

from edge_cifar.backbones import Model
from edge_cifar.command_line import command_line
from edge_cifar.errors import UsageError
from edge_cifar.recipe import Phase, Recipe, Trainable
from edge_cifar.training.assembly import trunk_layers


def set_trainable(model: Model, trainable: Trainable) -> None:
    """Freeze and unfreeze a model's layers as :attr:`edge_cifar.recipe.Phase.trainable` says.

    Raises:
        UsageError: more layers are asked for than the backbone has, or one that it has not.
    """
    trunk = trunk_layers(model)
    frozen = _frozen(model.name, trunk, trainable)
    for layer in model.layers:
        layer.trainable = True
    for layer in trunk[:frozen]:
        layer.trainable = False


def _frozen(backbone: str, trunk: Sequence[Model], trainable: Trainable) -> int:
    """How many layers of the trunk stay as they are, counted from the first."""
    if trainable == "head":
        return len(trunk)
    if trainable == "all":
        return 0
    if isinstance(trainable, str):
        for index, layer in enumerate(trunk):
            if layer.name.startswith(trainable):
                return index
        near = difflib.get_close_matches(trainable, _beginnings(trunk), n=1, cutoff=0.5)
        way_out = f"did you mean {near[0]!r}?" if near else f"list them with: {command_line('models', backbone)}"
        raise UsageError(f"{backbone} has no layer before its head whose name starts with {trainable!r}; {way_out}")
    if abs(trainable) > len(trunk):
        raise UsageError(f"{backbone} has only {len(trunk)} layers before its head; got {abs(trainable)}")
    return -trainable if trainable < 0 else len(trunk) - trainable


def _beginnings(trunk: Sequence[Model]) -> list[str]:
    """Names of layers, and of the blocks that they belong to: ``block5_conv1`` gives ``block5`` too."""
    names = dict.fromkeys(
        "_".join(parts[:count])
        for parts in (layer.name.split("_") for layer in trunk)
        for count in range(1, len(parts) + 1)
    )
    return list(names)


def trainable_parameters(model: Model) -> int:
    """Number of scalars that the optimizer may change."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def optimizer(recipe: Recipe, phase: Phase, steps_per_epoch: int) -> Any:
    """The recipe's optimizer with the phase's schedule.

    Weight decay is decoupled (Loshchilov and Hutter 2019) and spares biases and normalization.
    """
    rate = schedule(phase, steps_per_epoch)
    decay = recipe.weight_decay or None
    averaging = {"use_ema": bool(recipe.weight_averaging), "ema_momentum": recipe.weight_averaging}
    if recipe.optimizer == "sgd":
        made = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay, **averaging)
    elif recipe.optimizer == "adamw":
        made = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, **averaging)
    else:
        made = keras.optimizers.Adam(rate, weight_decay=decay, **averaging)
    if recipe.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def schedule(phase: Phase, steps_per_epoch: int) -> Any:
    """The rate by step: a Keras schedule, or a number where the rate changes only between epochs."""
    schedules = keras.optimizers.schedules
    if phase.schedule == "cosine":
        # A phase cut short keeps half of its epochs for the cosine.
        warmup = round(min(phase.warmup_epochs, phase.epochs / 2) * steps_per_epoch)
        return schedules.CosineDecay(
            0.0 if warmup else phase.learning_rate,
            decay_steps=max(1, phase.epochs * steps_per_epoch - warmup),
            warmup_target=phase.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    if phase.schedule == "step" and phase.step_epochs:
        rates = [phase.learning_rate * phase.decay**count for count in range(len(phase.step_epochs) + 1)]
        # Keras changes the rate behind the boundary; the first step of the next epoch must have it already.
        return schedules.PiecewiseConstantDecay([epoch * steps_per_epoch - 1 for epoch in phase.step_epochs], rates)
    if phase.schedule in ("step", "exponential"):
        return schedules.ExponentialDecay(
            phase.learning_rate,
            decay_steps=(phase.decay_epochs if phase.schedule == "step" else 1) * steps_per_epoch,
            decay_rate=phase.decay,
            staircase=True,
        )
    return phase.learning_rate


def middle_rate(phase: Phase, optimizer: Any, epoch: int, steps_per_epoch: int) -> float:
    """The rate at the middle step of an epoch, which stands for it: a warm-up begins at a rate of 0.

    Args:
        phase: in training.
        optimizer: its :func:`optimizer`.
        epoch: counted from 0.
        steps_per_epoch: optimizer steps of an epoch.
    """
    rate = schedule(phase, steps_per_epoch)
    middle = epoch * steps_per_epoch + steps_per_epoch // 2
    return float(keras.ops.convert_to_numpy(rate(middle) if callable(rate) else optimizer.learning_rate))


def plateau_rate(phase: Phase, validation_losses: Sequence[float]) -> float:
    """The rate of the next epoch under ``plateau``: a function of the losses so far, so that a resumed run agrees.

    Args:
        phase: with schedule ``plateau``.
        validation_losses: of the phase's epochs so far.
    """
    rate, best, waited = phase.learning_rate, math.inf, 0
    for loss in validation_losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited >= phase.decay_epochs:
            rate, waited = rate * phase.decay, 0
    return rate
