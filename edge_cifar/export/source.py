"""What an export starts from: a Keras model's file, its labels, images, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_cifar import backbones
from edge_cifar.converters import Calibration
from edge_cifar.data import Split
from edge_cifar.data.calibration import sample
from edge_cifar.documents.run import Run
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.errors import RunError
from edge_cifar.export.options import ExportOptions
from edge_cifar.run_data import RunData
from edge_cifar.storage import files
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained Keras model, not loaded yet, and the images that it is calibrated and judged with.

    Attributes:
        name: what tables call the model.
        model: its Keras file.
        labels: class names, in the order of the probabilities.
        training: images that it was trained on; those that compress its weights train on them again.
        calibration: some of them, for quantization.
        validation: images that the acceptance gate judges by.
        test: images that the bundle's reference is drawn from.
        facts: what the manifest and the model card tell of the model, as a run's record does.
        checksums: SHA-256 by path of the files that all this was read from, taken before any was read; None for one
            that is not there.
    """

    name: str
    model: Path
    labels: tuple[str, ...]
    training: Split
    calibration: Calibration
    validation: Split
    test: Split
    facts: RunRecord
    checksums: Mapping[Path, str | None]

    @classmethod
    def from_run(cls, run: Run, data: RunData, options: ExportOptions) -> Source:
        """A finished run, its calibration images drawn by its own seed.

        Raises:
            RunError: the run's record is broken, or is another network's.
        """
        checksums = {run.path / name: checksum for name, checksum in run.checksums().items()}
        record = run.record()
        _demand_match(run, record, checksums[run.model_path])
        seed = record.seed
        chosen = sample(data.train, options.calibration_images, seed)
        return cls(
            name=run.name,
            model=run.model_path,
            labels=tuple(data.dataset.labels),
            training=data.train,
            calibration=Calibration(
                images=data.train.images[chosen], indices=chosen, seed=seed, method=options.calibration_method
            ),
            validation=data.validation,
            test=data.test,
            facts=record,
            checksums=checksums,
        )

    @property
    def seed(self) -> int:
        """Of every draw among the images."""
        return self.calibration.seed

    def demand_unchanged(self) -> None:
        """Hold the files to what they were when the first of them was read.

        Raises:
            RunError: one was replaced meanwhile: what was made is of two networks.
        """
        for path, checksum in self.checksums.items():
            if checksum != (files.sha256(path) if path.is_file() else None):
                raise RunError(f"{path} changed during the export; export again")

    def metadata(self, variant: Variant) -> dict[str, str]:
        """What is written into an artifact itself, beside the labels."""
        backbone, data, imported = self.facts.backbone, self.facts.data.name, self.facts.imported
        made = f"imported from {imported.source}" if imported else f"trained on {data}"
        return {
            "description": f"{backbone} {made}: raw RGB pixels in, class probabilities out",
            "model": self.name,
            "variant": str(variant),
        }


def _demand_match(run: Run, record: RunRecord, found: str | None) -> None:
    """A record vouches for one network; those of older versions do not say which.

    Raises:
        RunError: the run's weights are another's, or its backbone is unknown.
    """
    if record.model_sha256 not in (None, found):
        raise RunError(f"{run.model_path} is not the model in {run.record_path} (checksum mismatch); train again")
    if record.imported is None and record.backbone not in backbones.names():
        raise RunError(f"{run.record_path} names an unknown backbone, {record.backbone!r}; train again")
