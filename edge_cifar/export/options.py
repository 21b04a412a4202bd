"""The options of an export: one object, passed whole from the command line to the workers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_cifar import formats
from edge_cifar.compression.exchange import CLUSTERED, PRUNED
from edge_cifar.errors import UsageError, unknown

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which variants are written, and how they are converted and checked.

    Attributes:
        formats: names, or ``all``; None for those whose packages are installed here.
        precisions: names, or ``all``; None for each format's default ones.
        calibration_images: training images that set the ranges of quantized activations.
        calibration_method: how ranges follow from them.
        max_drop: percentage points of validation accuracy that an artifact may lose.
        reference_images: test images that the bundle carries; None for all.
        keep_float: names of layers that int8 leaves in floats; ``auto`` alone for the fewest that bring a
            rejected artifact through the gate.
        jobs: worker processes that convert side by side; None for as many as processors and memory allow.
        deployment_target: the oldest system that Core ML packages have to run on; None for the usual one.
        prune: shares of the weights that are zero in variants of their own.
        cluster: numbers of values a layer's weights have in variants of their own.
    """

    formats: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    calibration_images: int = 500
    calibration_method: str = "min-max"
    max_drop: float = 1.0
    reference_images: int | None = 2000
    keep_float: tuple[str, ...] = ()
    jobs: int | None = None
    deployment_target: str | None = None
    prune: tuple[float, ...] = ()
    cluster: tuple[int, ...] = ()

    @property
    def compressions(self) -> tuple[str, ...]:
        """Compressions that each variant is also written with, as :class:`edge_cifar.variant.Variant` names them."""
        return (
            *(f"{PRUNED}{round(100 * share)}" for share in self.prune),
            *(f"{CLUSTERED}{values}" for values in self.cluster),
        )

    @property
    def named_layers(self) -> tuple[str, ...]:
        """Layers named to be left in float."""
        return () if self.searches_layers else self.keep_float

    @property
    def searches_layers(self) -> bool:
        """Whether to search for the layers to leave in float."""
        return self.keep_float == (AUTO,)

    def refuse_out_of_range(self) -> None:
        """Refuse values that are wrong by themselves.

        Raises:
            UsageError: a number is out of range, or a method unknown.
        """
        if self.calibration_images < 1:
            raise UsageError(f"--calibration-images must be at least 1, got {self.calibration_images}")
        every = [formats.get(name) for name in formats.exported()]
        methods = tuple(dict.fromkeys(method for format_ in every for method in format_.calibration_methods))
        if self.calibration_method not in methods:
            raise unknown("calibration method", self.calibration_method, methods)
        if not (math.isfinite(self.max_drop) and self.max_drop >= 0):
            raise UsageError(f"--max-drop must be 0 or more percentage points, got {self.max_drop:g}")
        if self.reference_images is not None and self.reference_images < 1:
            raise UsageError(f"--reference-images must be at least 1, got {self.reference_images}")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs must be at least 1, got {self.jobs}")
        for share in self.prune:
            # Written so that NaN fails too.
            if not (0.01 <= share <= 0.99 and abs(100 * share - round(100 * share)) < 1e-6):
                raise UsageError(f"--prune takes a share from 0.01 to 0.99 in steps of 0.01, got {share:g}")
        for values in self.cluster:
            if not 2 <= values <= 256:
                raise UsageError(f"--cluster takes a number of values from 2 to 256, got {values}")
        if AUTO in self.keep_float and len(self.keep_float) > 1:
            raise UsageError("--keep-float takes layer names or auto, not both")
