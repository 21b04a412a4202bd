"""``export --dry-run``: which variants an export would write, what it would do for each, and how large they get."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_cifar import backbones
from edge_cifar.compression.exchange import QAT
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.errors import UsageError
from edge_cifar.export import destination
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.plan import calibrated, plan, precision_of
from edge_cifar.progress import Progress
from edge_cifar.steps.import_model import ImportRequest, open_run
from edge_cifar.variant import Variant

_FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class PlannedVariant:
    """A variant as it would be written.

    Attributes:
        variant: format and precision.
        meaning: what its weights and activations are.
        calibration_images: how many it would be calibrated on; None where it needs none.
        retraining_epochs: of the training that it would begin with; None where it needs none.
        size_bytes: about how large: its weights alone.
    """

    variant: str
    meaning: str
    calibration_images: int | None
    retraining_epochs: float | None
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """An export as it would be done.

    Attributes:
        run: whose model it would convert.
        bundle: the folder that it would write.
        variants: in their order.
        reference_bytes: of the test images in the bundle, before they are compressed.
    """

    run: Path
    bundle: Path
    variants: tuple[PlannedVariant, ...]
    reference_bytes: int

    @property
    def size_bytes(self) -> int:
        """About how large the bundle gets."""
        return self.reference_bytes + sum(one.size_bytes for one in self.variants)

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {**asdict(self), "run": str(self.run), "bundle": str(self.bundle), "size_bytes": self.size_bytes}


def plan_export(
    model: Path | None,
    options: ExportOptions,
    request: ImportRequest,
    *,
    out: Path | None,
    overwrite: bool,
    progress: Progress,
) -> ExportPlan:
    """Find out what an export would do; converts and writes nothing.

    Raises:
        UsageError: an option is out of range, a name is unknown, or the model was made elsewhere.
        RunError, BundleError, MissingPackage: as the export itself.
    """
    variants = plan(options, progress)
    if request.told:
        raise UsageError("--dry-run plans the export of a run; a model made elsewhere is looked at when it is exported")
    run = open_run(model)
    run.demand_weights()
    record = run.record()
    place = Path(out) if out is not None else run.export_path
    destination.refuse_occupied(place.resolve(), overwrite=overwrite)
    images = record.data.test_images if options.reference_images is None else options.reference_images
    per_image = math.prod(record.data.image_shape) + _FLOAT_BYTES * len(record.data.labels)
    return ExportPlan(
        run=run.path,
        bundle=place,
        variants=tuple(_planned(variant, options, record) for variant in variants),
        reference_bytes=min(images, record.data.test_images) * per_image,
    )


def _planned(variant: Variant, options: ExportOptions, record: RunRecord) -> PlannedVariant:
    precision = precision_of(variant)
    return PlannedVariant(
        variant=str(variant),
        meaning=precision.meaning,
        calibration_images=min(options.calibration_images, record.data.train_images) if calibrated(variant) else None,
        retraining_epochs=_retraining(variant, record.backbone),
        size_bytes=record.parameters * precision.weight_bits // 8,
    )


def _retraining(variant: Variant, backbone: str) -> float | None:
    if variant.compression is None or backbone not in backbones.names():
        return None
    design = backbones.get(backbone)
    return (design.qat if variant.compression == QAT else design.sparsity).epochs
