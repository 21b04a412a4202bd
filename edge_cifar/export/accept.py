"""The fourth stage: conversions as they come, each checked against the Keras model, kept or rejected."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_cifar import formats, packages
from edge_cifar.compression.exchange import QAT
from edge_cifar.documents.bundle import Artifact, Bundle
from edge_cifar.export import plan
from edge_cifar.export.acceptance import Acceptance, Check, Outcome
from edge_cifar.export.compress import CompressedModels
from edge_cifar.export.mixed_precision import MixedPrecisionSearch
from edge_cifar.export.pool import Conversion
from edge_cifar.export.source import Source
from edge_cifar.parity import inspection
from edge_cifar.processes.memory import peak_bytes
from edge_cifar.progress import Progress
from edge_cifar.storage import files
from edge_cifar.variant import Variant

# Slower than this factor of its own fp32 is no accident of the few runs that were timed.
_SLOWER = 1.2


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What came of the variants that were asked for.

    Attributes:
        artifacts: those kept, in the order in which they were asked for.
        rejected: manifest entries of the others, in that order too.
        peak_bytes: the largest memory that this process, and each format's worker, has held.
    """

    artifacts: tuple[Artifact, ...]
    rejected: tuple[Mapping[str, Any], ...]
    peak_bytes: Mapping[str, int]


def accept(
    conversions: Iterable[Conversion],
    variants: Sequence[Variant],
    source: Source,
    compressed: CompressedModels,
    acceptance: Acceptance,
    bundle: Bundle,
    progress: Progress,
    search: MixedPrecisionSearch | None = None,
) -> Accepted:
    """Check every conversion as it comes; say how each went.

    Args:
        conversions: one for each variant, in any order.
        variants: all that were asked for, in the order they are to be listed in.
        source: that they were made from.
        compressed: its models with compressed weights.
        acceptance: what they have to meet.
        bundle: where they are to stand, without artifacts yet; those that are rejected are removed from its folder.
        progress: told of each.
        search: tries to bring rejected ones through; None to leave them rejected.
    """
    checked: dict[Variant, _Checked] = {}
    unwritten: dict[Variant, str] = {}
    peaks: dict[str, int] = {}
    count = itertools.count(1)

    def settle(conversion: Conversion, path: Path, outcome: Outcome) -> None:
        variant, facts = conversion.variant, conversion.facts or {}
        if not outcome.passed and search and plan.searchable(variant) and (found := search.search(variant, path)):
            facts, outcome = found
        checked[variant] = _Checked(path=path, facts=facts, outcome=outcome)
        fate = "passed" if outcome.passed else "rejected"
        progress.say(f"[{next(count)}/{len(variants)}] {variant}: converted in {conversion.seconds:.1f} s, {fate}")

    running: dict[Future[Outcome], tuple[Conversion, Path]] = {}
    for conversion in conversions:
        variant = conversion.variant
        peaks[variant.format] = max(conversion.peak_bytes, peaks.get(variant.format, 0))
        if conversion.facts is None:
            # Its reason is said with those of the rejected when all others are written.
            unwritten[variant] = str(conversion.reason)
            progress.say(f"[{next(count)}/{len(variants)}] {variant}: conversion failed")
            continue
        path = bundle.path / f"{variant}{formats.get(variant.format).suffix}"
        running[acceptance.workers.submit(acceptance.check, variant, path)] = conversion, path
        for done in [future for future in running if future.done()]:
            settle(*running.pop(done), done.result())
    for done in as_completed(running):
        settle(*running[done], done.result())

    sparse = any(variant.compression not in (None, QAT) for variant in variants)
    artifacts = [
        _artifact(variant, checked[variant], source, compressed, gzipped=sparse)
        for variant in variants
        if variant in checked and checked[variant].outcome.passed
    ]
    failed = _failing(bundle, artifacts, [checked[artifact.variant].outcome for artifact in artifacts], acceptance)
    kept = tuple(artifact for artifact in artifacts if artifact.variant not in failed)
    rejected = []
    for variant in variants:
        if variant in unwritten:
            rejected.append(_rejection(variant, ("conversion",), unwritten[variant], None))
        elif not (outcome := failed.get(variant, checked[variant].outcome)).passed:
            if checked[variant].path.exists():
                files.remove(checked[variant].path)
            rejected.append(_rejection(variant, outcome.failed, str(outcome.reason), outcome.parity))
    _name_slow(kept, acceptance, progress)
    peaks = {"export": peak_bytes(), **{format_: peaks[format_] for format_ in sorted(peaks)}}
    return Accepted(artifacts=kept, rejected=tuple(rejected), peak_bytes=peaks)


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A file that was written and asked."""

    path: Path
    facts: Mapping[str, Any]
    outcome: Outcome


def _failing(
    bundle: Bundle, artifacts: Sequence[Artifact], outcomes: Sequence[Outcome], acceptance: Acceptance
) -> dict[Variant, Outcome]:
    """Those that ``verify`` would fail for what the files hold, or for what they are beside one another."""
    verified = acceptance.verify(replace(bundle, artifacts=tuple(artifacts)), outcomes)
    return {
        artifact.variant: replace(outcome, failed=("contents",), reason=f"fails verify: {verification.reason}")
        for artifact, outcome, verification in zip(artifacts, outcomes, verified, strict=True)
        if verification.status == "fail"
    }


def _rejection(
    variant: Variant, failed: Sequence[Check], reason: str, parity: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {"variant": str(variant), "failed": list(failed), "reason": reason, "parity": parity}


def _artifact(
    variant: Variant, checked: _Checked, source: Source, compressed: CompressedModels, *, gzipped: bool
) -> Artifact:
    facts, path = dict(checked.facts), checked.path
    if variant.compression:
        facts["retraining"] = compressed.done[variant.compression].facts
    if gzipped:
        # Zeros and repeated values show in no other figure.
        facts["gzip_bytes"] = files.gzip_bytes(path)
    versions = packages.versions("keras", "tensorflow", *formats.get(variant.format).packages)
    written = Artifact(
        path=path,
        variant=variant,
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=source.labels,
        facts={**facts, **_reproducible(variant), "parity": checked.outcome.parity, "tool_versions": versions},
    )
    # For verify to hold the file to, wherever it is carried.
    found = inspection.stored_ranges(written)
    return replace(written, facts={**written.facts, "ranges": found}) if found else written


def _reproducible(variant: Variant) -> dict[str, Any]:
    """Whether the same run gives the same bytes again, for the manifest."""
    if variant.compression is None:
        return {"reproducible": True}
    return {
        "reproducible": False,
        "not_reproducible_because": "its weights were retrained, and training does not sum floats in a fixed order",
    }


def _name_slow(artifacts: Sequence[Artifact], acceptance: Acceptance, progress: Progress) -> None:
    """Time all once nothing else runs, and name those slower than their fp32."""
    exact = {artifact.variant.format for artifact in artifacts if artifact.variant.precision == "fp32"}
    latencies = {
        artifact.variant: latency
        for artifact in artifacts
        if artifact.variant.format in exact and (latency := acceptance.latency_ms(artifact.path)) is not None
    }
    for variant, latency in latencies.items():
        fp32 = latencies.get(Variant(variant.format, "fp32"))
        if fp32 is not None and latency > _SLOWER * fp32:
            progress.say(
                f"{variant} is slower than {variant.format}-fp32 on this machine "
                f"({latency:.2f} ms vs. {fp32:.2f} ms): it saves space, not time"
            )
