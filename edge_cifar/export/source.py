"""What every conversion of a run starts from: its record, its model's file, its calibration images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar import backbones
from edge_cifar.converters import Calibration
from edge_cifar.data.calibration import sample
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.export.options import Settings
from edge_cifar.export.worker import Task
from edge_cifar.run_data import RunData
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A run's model with weights that were trained again.

    Attributes:
        model: its Keras file.
        trained: the flatbuffer that training for 8 bits left; None otherwise.
        facts: for the manifest: recipe, seed, history, steps, seconds.
    """

    model: Path
    trained: Path | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a run's variants are converted from; its model is not loaded yet.

    Attributes:
        run: where it comes from.
        record: the run's record.
        labels: class names, in the order of the probabilities.
        calibration: training images for quantization.
        keep_float: layers that int8 leaves in floats.
        deployment_target: the oldest system that Core ML packages have to run on; None for the usual one.
        retrained: models of variants with changed weights, by change.
        checksums: of the run's files, taken before any of them was read.
    """

    run: Run
    record: Mapping[str, Any]
    labels: tuple[str, ...]
    calibration: Calibration
    keep_float: tuple[str, ...] = ()
    deployment_target: str | None = None
    retrained: Mapping[str, Retrained] = field(default_factory=dict)
    checksums: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, data: RunData, settings: Settings) -> Source:
        """A run's source, its calibration images drawn.

        Raises:
            RunError: the run's record is broken.
        """
        checksums = run.checksums()
        record = _complete(run)
        _demand_match(run, record, checksums)
        seed = int(record["seed"])
        chosen = sample(data.train, settings.calibration_images, seed)
        return cls(
            run=run,
            record=record,
            labels=tuple(data.dataset.labels),
            calibration=Calibration(
                images=data.train.images[chosen], indices=chosen, seed=seed, method=settings.calibration_method
            ),
            keep_float=settings.named_layers,
            deployment_target=settings.deployment_target,
            checksums=checksums,
        )

    def demand_unchanged(self) -> None:
        """Hold the run to what it was when the first of its files was read.

        Raises:
            RunError: it was trained again, or replaced, meanwhile: what was made is of two networks.
        """
        if self.run.checksums() != self.checksums:
            raise RunError(f"the run {self.run.path} changed while it was exported; export again")

    def model_path(self, variant: Variant) -> Path:
        """The Keras file that a variant is converted from."""
        return self.retrained[variant.compression].model if variant.compression else self.run.model_path

    def _trained(self, variant: Variant) -> str | None:
        trained = self.retrained[variant.compression].trained if variant.compression else None
        return str(trained) if trained else None

    def tasks(self, variants: Sequence[Variant], folder: Path, calibration: Path) -> list[Task]:
        """Variants as tasks for worker processes: those of one format and one model together.

        Args:
            variants: to be written.
            folder: where.
            calibration: the file that holds the calibration images.
        """
        together: dict[tuple[str, Path], list[Variant]] = {}
        for variant in variants:
            together.setdefault((variant.format, self.model_path(variant)), []).append(variant)
        return [
            Task(
                format=format_,
                precisions=tuple(variant.precision for variant in group),
                model=str(model),
                folder=str(folder),
                labels=self.labels,
                calibration=str(calibration),
                keep_float=self.keep_float,
                deployment_target=self.deployment_target,
                metadata={variant.precision: self.metadata(variant) for variant in group},
                trained=self._trained(group[0]),
            )
            for (format_, model), group in together.items()
        ]

    def metadata(self, variant: Variant) -> dict[str, str]:
        """What is written into an artifact itself, beside the labels."""
        backbone, data = self.record["backbone"], self.record["data"]["name"]
        return {
            "description": f"{backbone} trained on {data}: raw RGB pixels in, class probabilities out",
            "model": self.run.name,
            "variant": str(variant),
        }


def _demand_match(run: Run, record: Mapping[str, Any], checksums: Mapping[str, str | None]) -> None:
    """A record vouches for one network; those of older versions do not say which.

    Raises:
        RunError: the run's weights are another's.
    """
    told = record.get("model")
    checksum = told.get("sha256") if isinstance(told, dict) else None
    if checksum is not None and checksum != checksums[run.model_path.name]:
        raise RunError(
            f"{run.model_path} is not the network that {run.record_path} tells of (checksum differs); train again"
        )


def _complete(run: Run) -> Mapping[str, Any]:
    """The run's record, if it holds what the bundle is to say of the run.

    Raises:
        RunError: it does not; found out before anything is converted.
    """
    record = run.record()
    needed = {
        "": ("backbone", "recipe_name", "weights", "seed", "data", "test", "parameters", "multiply_adds", "image_size"),
        "data": ("name", "synthetic", "image_shape", "train_images", "validation_images"),
        "test": ("accuracy", "low", "high", "images", "f1", "calibration_error"),
    }
    for part, keys in needed.items():
        holder = record.get(part) if part else record
        missing = keys if not isinstance(holder, dict) else tuple(key for key in keys if key not in holder)
        if missing:
            where = f" under {part!r}" if part else ""
            raise RunError(f"{run.record_path} is broken (no {', '.join(missing)}{where}); train again")
    if record["backbone"] not in backbones.names():
        raise RunError(
            f"{run.record_path} tells of a backbone {record['backbone']!r}, which is unknown here; train again"
        )
    return record
