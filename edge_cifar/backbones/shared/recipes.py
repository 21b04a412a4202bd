"""The two ways that backbones are trained here; a backbone says what is its own about them."""

from __future__ import annotations

from edge_cifar.backbones import Retraining
from edge_cifar.recipe import Augmentation, Optimizer, Phase, Recipe, Trainable

AUGMENTATION = Augmentation(flip=True, translation=0.125)

# Large networks, fine-tuned: a part of the images and lower rates will do, and take minutes instead of hours.
FINE_QAT = Retraining(epochs=0.5, learning_rate=3e-5)
FINE_SPARSITY = Retraining(epochs=1.0, learning_rate=1e-4)


def fine_tuned(
    *, image_size: int, epochs: int, learning_rate: float, batch_norm_momentum: float, trainable: Trainable = "all"
) -> Recipe:
    """From ImageNet weights: the head alone for an epoch, then ``trainable`` with it.

    Args:
        image_size: side in pixels that the network sees.
        epochs: of the second phase.
        learning_rate: peak of the second phase.
        batch_norm_momentum: below the architectures' own, which lag behind the weights of a short training.
        trainable: what the second phase trains, as :class:`edge_cifar.recipe.Phase` has it.
    """
    return Recipe(
        image_size=image_size,
        batch_size=64,
        optimizer="adamw",
        weight_decay=0.02,
        label_smoothing=0.1,
        validation_split=0.05,
        augmentation=AUGMENTATION,
        batch_norm_momentum=batch_norm_momentum,
        phases=(
            Phase(name="frozen", epochs=1, trainable="head", learning_rate=1e-3),
            Phase(
                name="fine-tune",
                epochs=epochs,
                trainable=trainable,
                learning_rate=learning_rate,
                schedule="cosine",
                warmup_epochs=0.5,
                reestimate_batch_norm=True,
            ),
        ),
    )


def from_scratch(
    *,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    warmup_epochs: float,
    image_size: int = 32,
    batch_size: int = 128,
    optimizer: Optimizer = "adamw",
    label_smoothing: float = 0.0,
    batch_norm_momentum: float = 0.9,
) -> Recipe:
    """Without weights: one phase over everything, on a warmed-up cosine.

    Args:
        epochs: in all.
        learning_rate: peak.
        weight_decay: decoupled.
        warmup_epochs: until the peak.
        image_size: side in pixels that the network sees.
        batch_size: images per step.
        optimizer: as :class:`edge_cifar.recipe.Recipe` has it.
        label_smoothing: likewise.
        batch_norm_momentum: of the moving statistics while training.
    """
    return Recipe(
        image_size=image_size,
        batch_size=batch_size,
        optimizer=optimizer,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        validation_split=0.05,
        augmentation=AUGMENTATION,
        batch_norm_momentum=batch_norm_momentum,
        phases=(
            Phase(
                name="scratch",
                epochs=epochs,
                learning_rate=learning_rate,
                schedule="cosine",
                warmup_epochs=warmup_epochs,
                reestimate_batch_norm=True,
            ),
        ),
    )
