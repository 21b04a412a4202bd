"""The Keras model that every artifact is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edge_cifar import packages
from edge_cifar.data.calibration import sample
from edge_cifar.data.mapped_images import chunks
from edge_cifar.documents.activations import Activations
from edge_cifar.errors import RunError
from edge_cifar.export import acceptance
from edge_cifar.export.acceptance import AcceptanceGate
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source
from edge_cifar.pixels import Images
from edge_cifar.runtimes import Probabilities


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A source's model, loaded, and its answers.

    Attributes:
        loaded: the Keras model.
        predict: its probabilities for images.
        activations: what its layers answer to a few images.
        gate: validation images with its answers.
    """

    loaded: LoadedModel
    predict: Callable[[Images], Probabilities]
    activations: Callable[[Images], Activations]
    gate: AcceptanceGate

    def predict_with(self, path: Path, images: Images) -> Probabilities:
        """Probabilities of the same model with the weights of another Keras file."""
        from edge_cifar.runtimes import keras as keras_runtime

        changed = keras_runtime.load_model(packages.require_keras(), path)
        return keras_runtime.of_model(changed).predict(images)

    @classmethod
    def load(cls, source: Source, options: ExportOptions) -> Baseline:
        """Load a source's model and let it answer for the gate's images.

        Raises:
            BundleError: the model's file is damaged.
            RunError: the model does not fit the data.
            MissingPackage: Keras or TensorFlow is not installed.
        """
        from edge_cifar.runtimes import keras as keras_runtime

        model = keras_runtime.load_model(packages.require_keras(), source.model)
        runtime = keras_runtime.of_model(model)
        if runtime.classes != len(source.labels):
            raise RunError(f"{source.model} has {runtime.classes} outputs; its data has {len(source.labels)} classes")
        images = source.validation.take(sample(source.validation, acceptance.MAXIMUM_IMAGES, source.seed))
        probabilities = np.concatenate([runtime.predict(part) for part in chunks(images.images)])
        return cls(
            loaded=LoadedModel(model=model, labels=source.labels, calibration=source.calibration),
            predict=runtime.predict,
            activations=partial(keras_runtime.activations, model),
            gate=AcceptanceGate(split=images, probabilities=probabilities, max_drop=options.max_drop),
        )
