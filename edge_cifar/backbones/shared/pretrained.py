"""Pretrained weights: downloaded or read from a file, carried over to the same architecture at another image size."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from edge_cifar.backbones import Model
from edge_cifar.errors import TrainingError, first_line
from edge_cifar.storage import files

# ImageNet weights are published for this image side; convolutions do not care which size they see.
WEIGHTS_SIZE = 224


def pretrained_trunk(application: Callable[..., Model], weights: str) -> Model:
    """An architecture of ``keras.applications`` without its top, at its weights' own size, holding weights.

    Args:
        application: its constructor; a width multiplier is bound to it already.
        weights: ``"imagenet"``, or the path of a weights file.

    Raises:
        TrainingError: the ImageNet weights cannot be had, or the file's do not fit.
    """
    shape = (WEIGHTS_SIZE, WEIGHTS_SIZE, 3)
    if weights != "imagenet":
        return read_weights(application(input_shape=shape, include_top=False, weights=None), weights)
    try:
        # Keras reports its download on standard output, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr):
            return application(input_shape=shape, include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises nothing narrower when a download fails.
        raise TrainingError(
            f"the ImageNet weights are not available ({first_line(error)}); use --weights FILE or --weights none"
        ) from error


def read_weights(trunk: Model, file: str) -> Model:
    """Load a weights file (``.h5`` or ``.weights.h5``, no top) into a trunk.

    Raises:
        TrainingError: the file is missing, unreadable, or holds another architecture.
    """
    if not Path(file).is_file():
        raise TrainingError(f"no weights file at {file}; --weights takes a file, imagenet or none")
    try:
        with warnings.catch_warnings():
            # Keras only warns where a file lacks a layer's weights, and leaves them random.
            warnings.simplefilter("error", UserWarning)
            trunk.load_weights(file)
    except (*files.DAMAGE, UserWarning) as error:
        raise TrainingError(f"the weights in {file} do not fit {trunk.name} (no top): {first_line(error)}") from error
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
                f"the weights are of a different architecture: layer {taker.name} expects {wanted}, the weights "
                f"have {shapes}"
            )
        taker.set_weights(giver.get_weights())
    return len(givers)
