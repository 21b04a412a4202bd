"""The third stage: worker processes write every variant, while finished ones are checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from edge_cifar.export import pool
from edge_cifar.export.compress import CompressedModels
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source
from edge_cifar.export.worker import Conversion, Task, write_calibration
from edge_cifar.variant import Variant


@contextlib.contextmanager
def converting(
    source: Source,
    compressed: CompressedModels,
    variants: Sequence[Variant],
    options: ExportOptions,
    *,
    folder: Path,
    temporary: Path,
) -> Iterator[Iterator[Conversion]]:
    """Convert variants while the block runs.

    Args:
        source: the model.
        compressed: models of the variants with compressed weights.
        variants: to be written.
        options: what was asked.
        folder: where artifacts are to appear, each named by its variant.
        temporary: an existing folder, for what the workers read.

    Yields:
        one result a variant, in any order; it raises EdgeCifarError when nothing can be converted. Processes that
        still run when the block is left are killed.
    """
    unmade = [
        Conversion(variant=variant, reason=reason)
        for variant in variants
        if (reason := compressed.failed.get(variant.compression or ""))
    ]
    calibration = temporary / "calibration.npz"
    write_calibration(source.calibration, calibration)
    left = [variant for variant in variants if variant.compression not in compressed.failed]
    tasks = _tasks(source, compressed, left, options, folder, calibration)
    with pool.converting(tasks, options.jobs or pool.default_jobs(len(tasks))) as conversions:
        yield chain(unmade, conversions)


def _tasks(
    source: Source,
    compressed: CompressedModels,
    variants: Sequence[Variant],
    options: ExportOptions,
    folder: Path,
    calibration: Path,
) -> list[Task]:
    """Group variants by format and model."""
    together: dict[tuple[str, str | None], list[Variant]] = {}
    for variant in variants:
        together.setdefault((variant.format, variant.compression), []).append(variant)
    tasks = []
    for (format_, compression), group in together.items():
        model = compressed.done[compression] if compression else None
        tasks.append(
            Task(
                format=format_,
                precisions=tuple(variant.precision for variant in group),
                model=str(model.model if model else source.model),
                folder=str(folder),
                labels=source.labels,
                calibration=str(calibration),
                options=options,
                metadata={variant.precision: source.metadata(variant) for variant in group},
                trained=str(model.trained) if model and model.trained else None,
            )
        )
    return tasks
