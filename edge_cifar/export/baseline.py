"""The Keras model that every artifact of a run is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge_cifar import packages
from edge_cifar.data.calibration import sample
from edge_cifar.documents.activations import Activations
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.export import acceptance
from edge_cifar.export.acceptance import Yardstick
from edge_cifar.pixels import Images
from edge_cifar.run_data import RunData
from edge_cifar.runtimes import Probabilities


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A run's model, loaded, and its answers.

    Attributes:
        model: the Keras model.
        predict: the Keras model's probabilities for images.
        activations: what its layers answer to a few images.
        yardstick: validation images with the Keras model's answers.
    """

    model: Any
    predict: Callable[[Images], Probabilities]
    activations: Callable[[Images], Activations]
    yardstick: Yardstick

    def predict_with(self, path: Path, images: Images) -> Probabilities:
        """Probabilities of the same model with the weights of another Keras file."""
        from edge_cifar.runtimes import keras as keras_runtime

        changed = keras_runtime.load_model(packages.require_keras(), path)
        return keras_runtime.of_model(changed).predict(images)

    @classmethod
    def load(cls, run: Run, data: RunData, seed: int, max_drop: float) -> Baseline:
        """Load a run's model and let it answer for the yardstick's images.

        Raises:
            BundleError: the model's file is damaged.
            RunError: the model does not fit the data.
            MissingPackage: Keras or TensorFlow is not installed.
        """
        from edge_cifar.runtimes import keras as keras_runtime

        model = keras_runtime.load_model(packages.require_keras(), run.model_path)
        runtime = keras_runtime.of_model(model)
        labels = data.dataset.labels
        if runtime.classes != len(labels):
            raise RunError(f"{run.model_path} tells {runtime.classes} classes apart, its data have {len(labels)}")
        compared = data.validation.take(sample(data.validation, acceptance.MAXIMUM_IMAGES, seed))
        return cls(
            model=model,
            predict=runtime.predict,
            activations=partial(keras_runtime.activations, model),
            yardstick=Yardstick(split=compared, probabilities=runtime.predict(compared.images), max_drop=max_drop),
        )
