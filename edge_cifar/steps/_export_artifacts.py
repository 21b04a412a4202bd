"""Conversions as they come: each checked against the Keras model, kept or rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar import files, packages
from edge_cifar.artifact import Artifact
from edge_cifar.bench.memory import peak_bytes
from edge_cifar.converters._retraining_exchange import ROUNDED
from edge_cifar.progress import Progress
from edge_cifar.steps import _export_check, _export_plan
from edge_cifar.steps._export_check import Outcome, Yardstick
from edge_cifar.steps._export_jobs import Conversion
from edge_cifar.steps._export_mend import Mender
from edge_cifar.steps._export_settings import mendable
from edge_cifar.steps._export_source import Source
from edge_cifar.variant import Variant

# Slower than this factor of its own fp32 is no accident of the few runs that were timed.
_SLOWER = 1.2


@dataclass(frozen=True, kw_only=True)
class Written:
    """What came of the variants that were asked for.

    Attributes:
        artifacts: those kept, in the order in which they were asked for.
        rejected: manifest entries of the others, in that order too.
        peak_bytes: the largest memory that this process, and each format's worker, has held.
    """

    artifacts: tuple[Artifact, ...]
    rejected: tuple[Mapping[str, Any], ...]
    peak_bytes: Mapping[str, int]


def collect(
    variants: Sequence[Variant],
    conversions: Iterable[Conversion],
    source: Source,
    yardstick: Yardstick,
    folder: Path,
    progress: Progress,
    mender: Mender | None = None,
) -> Written:
    """Check every conversion as it comes; say how each went.

    Args:
        variants: all that were asked for, in the order they are to be listed in.
        conversions: one for each, in any order.
        source: that they were made from.
        yardstick: that they are compared with.
        folder: where the artifacts lie; those that are rejected are removed.
        progress: told of each.
        mender: tries to bring rejected ones through; None to leave them rejected.
    """
    kept: dict[Variant, Artifact] = {}
    rejected: dict[Variant, dict[str, Any]] = {}
    peaks: dict[str, int] = {}
    # Zeros and repeated values show in no other figure.
    compressed = any(change not in (None, ROUNDED) for change in {variant.change for variant in variants})
    for number, conversion in enumerate(conversions, 1):
        variant = conversion.variant
        peaks[variant.format] = max(conversion.peak_bytes, peaks.get(variant.format, 0))
        said = f"[{number}/{len(variants)}] {variant}"
        if conversion.facts is None:
            # Its reason is said with those of the rejected when all others are written.
            rejected[variant] = {"variant": str(variant), "reason": conversion.reason, "parity": None}
            progress.say(f"{said}: not converted")
            continue
        path = folder / f"{variant}{_export_plan.converter(variant.format).SUFFIX}"
        facts = conversion.facts
        outcome = _export_check.check(path, yardstick)
        if outcome.rejection and mender and mendable(variant) and (mended := mender.mend(variant, path)):
            facts, outcome = mended
        if outcome.rejection:
            if path.exists():
                files.remove(path)
            rejected[variant] = {"variant": str(variant), "reason": outcome.rejection, "parity": outcome.parity}
        else:
            if variant.change:
                facts = {**facts, "retraining": source.retrained[variant.change].facts}
            if compressed:
                facts = {**facts, "gzip_bytes": files.gzip_bytes(path)}
            kept[variant] = _artifact(variant, path, source.labels, facts, outcome)
        progress.say(f"{said}: converted in {conversion.seconds:.1f} s, {'rejected' if outcome.rejection else 'kept'}")
    artifacts = tuple(kept[variant] for variant in variants if variant in kept)
    _name_slow(artifacts, yardstick, progress)
    peaks = {"export": peak_bytes(), **{format_: peaks[format_] for format_ in sorted(peaks)}}
    return Written(
        artifacts=artifacts,
        rejected=tuple(rejected[variant] for variant in variants if variant in rejected),
        peak_bytes=peaks,
    )


def _artifact(
    variant: Variant, path: Path, labels: tuple[str, ...], facts: Mapping[str, Any], outcome: Outcome
) -> Artifact:
    versions = packages.versions("keras", "tensorflow", *_export_plan.converter(variant.format).PACKAGES)
    return Artifact(
        path=path,
        variant=variant,
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=labels,
        facts={**facts, **_reproducible(variant), "parity": outcome.parity, "tool_versions": versions},
    )


def _reproducible(variant: Variant) -> dict[str, Any]:
    """Whether the same run gives the same bytes again, for the manifest."""
    if variant.change is None:
        return {"reproducible": True}
    return {
        "reproducible": False,
        "not_reproducible_because": "its weights were trained again, which adds up numbers in an order of its own",
    }


def _name_slow(artifacts: Sequence[Artifact], yardstick: Yardstick, progress: Progress) -> None:
    """Time all once nothing else runs, and name those slower than their fp32."""
    latencies = {
        artifact.variant: latency
        for artifact in artifacts
        if (latency := _export_check.latency_ms(artifact.path, yardstick)) is not None
    }
    for variant, latency in latencies.items():
        fp32 = latencies.get(Variant(variant.format, "fp32"))
        if fp32 is not None and latency > _SLOWER * fp32:
            progress.say(
                f"{variant} is slower than {variant.format}-fp32 on this machine "
                f"({latency:.2f} ms against {fp32:.2f}): it saves space, not time"
            )
