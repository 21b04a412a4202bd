"""A loaded model, converted to one variant after another: by workers, and by the search among its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_cifar import formats
from edge_cifar.converters import Calibration, Options
from edge_cifar.documents.conversion_record import ConversionRecord, Seen
from edge_cifar.errors import BundleError
from edge_cifar.export import plan
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source_model import SourceModel
from edge_cifar.parity import calibration as calibrated
from edge_cifar.storage import scratch
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model, and what its conversions have in common.

    Attributes:
        source: the model.
        labels: class names.
        calibration: training images for quantization.
    """

    source: SourceModel
    labels: tuple[str, ...]
    calibration: Calibration

    def convert(
        self, variant: Variant, path: Path, options: Options, metadata: Mapping[str, str] | None = None
    ) -> ConversionRecord:
        """Write an artifact.

        Args:
            variant: which.
            path: where.
            options: of its converter.
            metadata: what the artifact itself is to hold beside the labels; nothing when left out.

        Returns:
            what the manifest tells of it.

        Raises:
            ConversionError: the format cannot hold the model.
        """
        converter = formats.get(variant.format).converter()
        return converter.convert(
            self.source.native,
            plan.precision_of(variant),
            labels=self.labels,
            calibration=self.calibration,
            metadata=metadata or {},
            path=path,
            options=options,
        )

    def ranges(self, variant: Variant, path: Path, options: Options) -> tuple[Seen, ...]:
        """The range of each quantized value on the calibration images, for the manifest entry.

        Args:
            variant: that was written.
            path: the artifact.
            options: that it was converted with.

        Returns:
            the ranges; empty where none are known.
        """
        format_, precision = formats.get(variant.format), plan.precision_of(variant)
        if format_.reader is None or precision.calibration != "ranges":
            return ()
        reader = format_.reader()
        with scratch.folder("ranges") as folder:
            floats = folder / f"floats{format_.suffix}"
            observed = format_.converter().observed(
                self.source.native,
                precision,
                labels=self.labels,
                calibration=self.calibration,
                path=floats,
                options=options,
            )
            try:
                return calibrated.seen(variant, reader.network(floats), reader.network(path), observed)
            except BundleError:
                # Its operations differ; verify compares the artifact with its fp32 sibling by other means.
                return ()


def converter_options(options: ExportOptions, variant: Variant, trained: Path | None = None) -> Options:
    """The options that apply to a variant's converter.

    Args:
        options: what was asked.
        variant: to be written.
        trained: the flatbuffer that quantization-aware training left; None for other models.
    """
    return Options(
        keep_float=options.named_layers if plan.selective(variant) else (),
        deployment_target=options.deployment_target,
        trained=trained,
    )
