"""The two ways that pretrained architectures are trained here; a backbone says what is its own about them."""

from __future__ import annotations

from edge_cifar.recipe import Augmentation, Phase, Recipe, Trainable

AUGMENTATION = Augmentation(flip=True, translation=0.125)


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
    image_size: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    batch_norm_momentum: float,
    warmup_epochs: float,
    batch_size: int = 128,
) -> Recipe:
    """Without weights: one phase over everything, AdamW on a warmed-up cosine.

    Args:
        image_size: side in pixels that the network sees.
        epochs: in all.
        learning_rate: peak.
        weight_decay: decoupled.
        batch_norm_momentum: of the moving statistics while training.
        warmup_epochs: until the peak.
        batch_size: images per step.
    """
    return Recipe(
        image_size=image_size,
        batch_size=batch_size,
        optimizer="adamw",
        weight_decay=weight_decay,
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
