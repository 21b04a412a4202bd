"""The model that every artifact is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_cifar.data.mapped_images import chunks
from edge_cifar.errors import RunError
from edge_cifar.export import source_model
from edge_cifar.export.acceptance import AcceptanceGate
from edge_cifar.export.conversion import LoadedModel
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A source's model, loaded, and its answers.

    Attributes:
        loaded: the model.
        gate: validation images with its answers.
    """

    loaded: LoadedModel
    gate: AcceptanceGate

    @classmethod
    def load(cls, source: Source, options: ExportOptions) -> Baseline:
        """Load a source's model and predict the gate's images.

        Raises:
            BundleError: the model's file is damaged.
            RunError: the model does not fit the data.
            MissingPackage: what computes the model is not installed.
        """
        model = source_model.load(source.model)
        runtime = model.runtime
        if runtime.classes != len(source.labels):
            raise RunError(f"{source.model} has {runtime.classes} outputs; its data has {len(source.labels)} classes")
        images, training_images = AcceptanceGate.chosen_images(source.validation, source.training, source.seed)
        probabilities = np.concatenate([runtime.predict(part) for part in chunks(images.images)])
        return cls(
            loaded=LoadedModel(source=model, labels=source.labels, calibration=source.calibration),
            gate=AcceptanceGate(
                split=images,
                probabilities=probabilities,
                max_drop=options.max_drop,
                training_images=training_images,
            ),
        )
