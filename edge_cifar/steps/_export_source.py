"""What every conversion of a run starts from: its model, its calibration images, its yardstick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from edge_cifar import packages
from edge_cifar.activations import Activations
from edge_cifar.converters import Calibration
from edge_cifar.data.calibration import sample
from edge_cifar.errors import RunError
from edge_cifar.run import Run
from edge_cifar.runtimes import Images, Probabilities
from edge_cifar.steps import _export_check
from edge_cifar.steps._export_check import Yardstick
from edge_cifar.steps._run_data import RunData
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run's model, ready to be converted and compared with.

    Attributes:
        run: where it comes from.
        record: the run's record.
        model: the Keras model.
        predict: the Keras model's probabilities for images.
        activations: what its layers answer to a few images.
        labels: class names, in the order of the probabilities.
        calibration: training images for quantization.
        yardstick: validation images with the Keras model's answers.
    """

    run: Run
    record: Mapping[str, Any]
    model: Any
    predict: Callable[[Images], Probabilities]
    activations: Callable[[Images], Activations]
    labels: tuple[str, ...]
    calibration: Calibration
    yardstick: Yardstick

    @classmethod
    def load(cls, run: Run, data: RunData, calibration_images: int, max_drop: float) -> Source:
        """Load a run's model and let it answer for the yardstick's images.

        Raises:
            BundleError: the model's file is damaged.
            RunError: the model does not fit the data.
            MissingPackage: Keras or TensorFlow is not installed.
        """
        from edge_cifar.runtimes import keras as keras_runtime

        record = _complete(run)
        seed = int(record["seed"])
        model = keras_runtime.load_model(packages.require_keras(), run.model_path)
        runtime = keras_runtime.of_model(model)
        labels = tuple(data.dataset.labels)
        if runtime.classes != len(labels):
            raise RunError(f"{run.model_path} tells {runtime.classes} classes apart, its data have {len(labels)}")
        chosen = sample(data.train, calibration_images, seed)
        compared = data.validation.take(sample(data.validation, _export_check.MAXIMUM_IMAGES, seed))
        return cls(
            run=run,
            record=record,
            model=model,
            predict=runtime.predict,
            activations=partial(keras_runtime.activations, model),
            labels=labels,
            calibration=Calibration(images=data.train.images[chosen], indices=chosen, seed=seed),
            yardstick=Yardstick(split=compared, probabilities=runtime.predict(compared.images), max_drop=max_drop),
        )

    def metadata(self, variant: Variant) -> dict[str, str]:
        """What is written into an artifact itself, beside the labels."""
        backbone, data = self.record["backbone"], self.record["data"]["name"]
        return {
            "description": f"{backbone} trained on {data}: raw RGB pixels in, class probabilities out",
            "model": self.run.name,
            "variant": str(variant),
        }


def _complete(run: Run) -> Mapping[str, Any]:
    """The run's record, if it holds what the bundle is to say of the run.

    Raises:
        RunError: it does not; found out before anything is converted.
    """
    record = run.record()
    needed = {
        "": ("backbone", "recipe_name", "weights", "seed", "data", "test"),
        "data": ("name", "synthetic", "image_shape", "train_images", "validation_images"),
        "test": ("accuracy", "low", "high", "images"),
    }
    for part, keys in needed.items():
        holder = record.get(part) if part else record
        missing = keys if not isinstance(holder, dict) else tuple(key for key in keys if key not in holder)
        if missing:
            where = f" under {part!r}" if part else ""
            raise RunError(f"{run.record_path} is broken (no {', '.join(missing)}{where}); train again")
    return record
