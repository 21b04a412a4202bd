"""Pretrained weights: read from a file, carried over to the same architecture at another image size."""

from __future__ import annotations

from pathlib import Path

from edge_cifar.backbones import Model
from edge_cifar.errors import TrainingError

# ImageNet weights are published for this image side; convolutions do not care which size they see.
WEIGHTS_SIZE = 224


def read_weights(trunk: Model, file: str) -> Model:
    """Load a weights file (``.h5`` or ``.weights.h5``, no top) into a trunk.

    Raises:
        TrainingError: the file is missing, unreadable, or holds another architecture.
    """
    if not Path(file).is_file():
        raise TrainingError(f"no weights file at {file}; give a file, imagenet or none to --weights")
    try:
        trunk.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainingError(f"the weights in {file} do not fit {trunk.name} (no top): {reason}") from error
    return trunk


def carry_over(donor: Model, model: Model) -> int:
    """Copy a trunk's weights into the model that begins with the same layers.

    Layers are paired in their order, those without weights left out; layers of ``model`` behind the
    trunk keep theirs.

    Returns:
        Number of layers that received weights.

    Raises:
        TrainingError: a pair of layers differs in the shapes of its weights.
    """
    givers = [layer for layer in donor.layers if layer.weights]
    takers = [layer for layer in model.layers if layer.weights]
    for giver, taker in zip(givers, takers, strict=False):
        shapes = [tuple(weight.shape) for weight in giver.weights]
        wanted = [tuple(weight.shape) for weight in taker.weights]
        if shapes != wanted:
            raise TrainingError(
                f"the weights are of another architecture: layer {taker.name} wants {wanted}, the weights have {shapes}"
            )
        taker.set_weights(giver.get_weights())
    return len(givers)
