"""How a backbone is trained, as data: phases, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Schedule = Literal["constant", "cosine", "step", "exponential", "plateau"]
Trainable = int | Literal["head", "all"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of training with a fixed choice of what is trained.

    Attributes:
        name: what the record and the curves call it.
        epochs: passes over the training images.
        trainable: ``"head"`` trains only the layers behind the backbone, ``"all"`` everything, a
            number N the head and the last N layers of the backbone; a negative number everything
            but the first -N. Frozen batch normalization runs in inference mode.
        learning_rate: peak rate of the schedule.
        schedule: ``cosine`` decays to zero after ``warmup_epochs``; ``step`` multiplies by
            ``decay`` every ``decay_epochs``; ``exponential`` multiplies by ``decay`` each epoch;
            ``plateau`` multiplies by ``decay`` when validation loss has not improved for
            ``decay_epochs``; ``constant`` does nothing.
        warmup_epochs: epochs of linear warm-up from zero.
        decay: factor of ``step``, ``exponential`` and ``plateau``.
        decay_epochs: epochs between steps, or patience of ``plateau``.
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
    """

    flip: bool = False
    translation: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    cutout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training that is not the data and the architecture.

    Attributes:
        phases: in the order they are trained.
        image_size: side in pixels that the network sees; inputs are resized to it in the graph.
        batch_size: images per step.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: decoupled decay of kernels; biases and normalization are exempt.
        label_smoothing: probability mass spread over all classes.
        validation_split: share of the training images held out for choosing the best weights.
        augmentation: random changes to the training images.
        batch_norm_momentum: momentum of the moving statistics while training; None keeps the
            architecture's own.
    """

    phases: tuple[Phase, ...]
    image_size: int = 32
    batch_size: int = 128
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    validation_split: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch_norm_momentum: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs over all phases."""
        return sum(phase.epochs for phase in self.phases)
