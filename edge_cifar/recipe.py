"""How a backbone is trained, as data: phases, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edge_cifar.errors import UsageError, unknown

Schedule = Literal["constant", "cosine", "step", "exponential", "plateau"]
Optimizer = Literal["adam", "adamw", "sgd"]
ClassWeights = Literal["none", "balanced"]
CLASS_WEIGHTS: tuple[ClassWeights, ...] = ("none", "balanced")
# "head", "all", a number of layers, or how the name of a layer begins; see Phase.trainable.
Trainable = int | str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of training with a fixed choice of what is trained.

    Attributes:
        name: what the record and the curves call it.
        epochs: passes over the training images.
        trainable: ``"head"`` trains only the layers behind the backbone, ``"all"`` everything, a
            number N the head and the last N layers of the backbone; a negative number everything
            but the first -N; any other text, such as ``"block5"``, the head and the backbone from
            its first layer on whose name begins so. Frozen batch normalization runs in inference
            mode.
        learning_rate: peak rate of the schedule.
        schedule: ``cosine`` decays to zero after ``warmup_epochs``; ``step`` multiplies by
            ``decay`` every ``decay_epochs``; ``exponential`` multiplies by ``decay`` each epoch;
            ``plateau`` multiplies by ``decay`` when validation loss has not improved for
            ``decay_epochs``; ``constant`` does nothing.
        warmup_epochs: epochs of linear warm-up from zero; at most half of the phase's.
        decay: factor of ``step``, ``exponential`` and ``plateau``.
        decay_epochs: epochs between steps, or patience of ``plateau``.
        step_epochs: for ``step``, the epochs after which a step comes, ascending; empty: one every
            ``decay_epochs``.
        reestimate_batch_norm: afterwards compute the moving statistics of the trained batch
            normalizations anew on training images, and keep them where validation accuracy does
            not fall.
    """

    name: str
    epochs: int
    trainable: Trainable = "all"
    learning_rate: float
    schedule: Schedule = "constant"
    warmup_epochs: float = 0.0
    decay: float = 0.1
    decay_epochs: int = 10
    step_epochs: tuple[int, ...] = ()
    reestimate_batch_norm: bool = False


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to training images, made on raw pixels at the data's own size.

    Attributes:
        flip: mirror left and right with probability one half.
        translation: largest shift, as a fraction of the side, in whole pixels; borders reflect.
        rotation: largest turn, in degrees.
        zoom: largest relative change of scale.
        cutout: side of a square set to mid-grey, as a fraction of the side.
        mixup: blend each image with another of its batch, and their targets alike, by a weight
            from Beta(mixup, mixup); at most 1.
        cutmix: paste a rectangle of another image of the batch, its area from Beta(1, 1), and mix
            the targets by area.
    """

    flip: bool = False
    translation: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    cutmix: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training that is not the data and the architecture.

    Attributes:
        phases: in the order they are trained.
        image_size: side in pixels that the network sees; inputs are resized to it in the graph.
        batch_size: images per step.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: decoupled decay of kernels; biases and normalization are exempt.
        class_weights: ``balanced`` weighs the loss of each image by N / (classes x images of its class), so that
            every class weighs the same; ``none`` gives every image the weight 1.
        label_smoothing: probability mass spread over all classes.
        weight_averaging: momentum, by step, of a moving average of the weights, which then is what
            is validated and kept; 0 keeps the weights themselves.
        validation_split: share of the training images held out for choosing the best weights.
        augmentation: random changes to the training images.
        views: how many augmented views of each image a phase on cached features goes through in turn;
            without augmentation there is one.
        batch_norm_momentum: momentum of the moving statistics while training; None keeps the
            architecture's own.
    """

    phases: tuple[Phase, ...]
    image_size: int = 32
    batch_size: int = 128
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.0
    class_weights: ClassWeights = "none"
    label_smoothing: float = 0.0
    weight_averaging: float = 0.0
    validation_split: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    views: int = 4
    batch_norm_momentum: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs over all phases."""
        return sum(phase.epochs for phase in self.phases)


def customized(
    recipe: Recipe,
    *,
    epochs: Sequence[int] | None = None,
    learning_rate: float | None = None,
    unfreeze: Trainable | None = None,
    batch_size: int | None = None,
    image_size: int | None = None,
    validation_split: float | None = None,
    class_weights: str | None = None,
) -> Recipe:
    """A recipe with what the user set in place of its own.

    Args:
        recipe: to start from.
        epochs: one number for every phase, or one each; a phase of 0 epochs is left out.
        learning_rate: peak rate of the last phase; earlier phases keep their ratio to it.
        unfreeze: what the last phase trains: the last N layers of the backbone, ``all``, or those
            from the first layer on whose name begins so, such as ``block5``.
        batch_size: images per step.
        image_size: side in pixels that the network sees.
        validation_split: share of the training images held out, above 0 and below 1.
        class_weights: ``none`` or ``balanced``.

    Raises:
        UsageError: a name is unknown, a number is out of its range, or the number of epochs does not fit the phases.
    """
    phases = list(recipe.phases)
    if epochs is not None:
        counts = list(epochs) * len(phases) if len(epochs) == 1 else list(epochs)
        if len(counts) != len(phases):
            names = ", ".join(phase.name for phase in phases)
            raise UsageError(f"--epochs takes one number per phase, here for: {names}; got {len(counts)}")
        if min(counts) < 0 or sum(counts) < 1:
            raise UsageError(
                f"epochs must be at least 0 per phase and at least 1 in total; got {','.join(map(str, counts))}"
            )
        phases = [replace(phase, epochs=count) for phase, count in zip(phases, counts, strict=True) if count]
    if learning_rate is not None:
        if not 0 < learning_rate < 1000:
            raise UsageError(f"the learning rate must be above 0 and below 1000; got {learning_rate}")
        factor = learning_rate / phases[-1].learning_rate
        phases = [replace(phase, learning_rate=phase.learning_rate * factor) for phase in phases]
    if unfreeze is not None:
        if unfreeze == "" or (isinstance(unfreeze, int) and unfreeze < 0):
            raise UsageError(f"--unfreeze takes a non-negative integer, a layer name, or all; got {unfreeze!r}")
        phases[-1] = replace(phases[-1], trainable="head" if unfreeze == 0 else unfreeze)
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"the batch size must be at least 1; got {batch_size}")
    if image_size is not None and image_size < 1:
        raise UsageError(f"the image size must be at least 1 pixel; got {image_size}")
    if validation_split is not None and not 0 < validation_split < 1:
        raise UsageError(f"the validation split must be between 0 and 1; got {validation_split}")
    weighting = next((name for name in CLASS_WEIGHTS if name == class_weights), None)
    if class_weights is not None and weighting is None:
        raise unknown("class weights", class_weights, CLASS_WEIGHTS)
    return replace(
        recipe,
        class_weights=weighting or recipe.class_weights,
        phases=tuple(phases),
        batch_size=recipe.batch_size if batch_size is None else batch_size,
        image_size=recipe.image_size if image_size is None else image_size,
        validation_split=recipe.validation_split if validation_split is None else validation_split,
    )
