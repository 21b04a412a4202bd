"""Advice on rejected variants: only options that affect the check that each of them failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_cifar.compression.exchange import CLUSTERED, PRUNED
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.parity_check import Rejection
from edge_cifar.errors import CheckFailed
from edge_cifar.export import plan

# Fewer bits cost accuracy by nature; these must reproduce the Keras model's probabilities.
_FLOATS = ("fp32", "fp16")
_OTHER = "another --format or --precision for variants that"
# Losses due to fewer bits, which options can reduce; any other check finds a faulty file.
_LOSSES = {"accuracy", "parity"}


def advice(rejected: Sequence[Rejection], about: Sequence[Rejection] | None = None) -> str:
    """What to try.

    Args:
        rejected: at least one.
        about: those of them that are to be helped; all when left out.
    """
    # A format whose floats are wrong is wrong in every precision: no calibration helps its arithmetic.
    wrong = {one.variant.format for one in rejected if one.variant.precision in _FLOATS and one.failed != ("accuracy",)}
    entries = rejected if about is None else about
    losses = [
        one
        for one in entries
        if _LOSSES.issuperset(one.failed)
        and one.variant.format not in wrong
        and not (one.variant.base in _FLOATS and "parity" in one.failed)
    ]
    others = [one for one in entries if one not in losses]
    lists = [", ".join(_for_losses(losses))] if losses else []
    lists += [
        f"{_OTHER} {what}"
        for what, checks in {
            "failed to convert": {"conversion"},
            "do not run here": {"runtime"},
            "were converted incorrectly": {"answers", "contents", *_LOSSES},
        }.items()
        if any(checks.intersection(one.failed) for one in others)
    ]
    return ", or ".join(lists)


def demand_all(bundle: Bundle, kept: Path | None = None) -> None:
    """Report requested variants that are not in the bundle.

    Args:
        bundle: as it was written.
        kept: where an earlier bundle stays in its stead.

    Raises:
        CheckFailed: some were rejected; names them, why, and what to try.
    """
    rejected = bundle.rejected
    if not rejected:
        return
    reasons = "; ".join(f"{one.variant}: {one.reason}" for one in rejected)
    asked = len(rejected) + len(bundle.artifacts)
    raise CheckFailed(
        f"{len(rejected)} of {asked} variants {'was' if len(rejected) == 1 else 'were'} rejected ({reasons}); try "
        f"{advice(rejected)}{f'; the bundle in {kept} is unchanged' if kept else ''}"
    )


def _for_losses(losses: Sequence[Rejection]) -> Iterator[str]:
    """Options that may help at least one of these variants."""
    variants = [one.variant for one in losses]
    if any(plan.calibrated(variant) for variant in variants):
        yield "more --calibration-images"
    if any(plan.searchable(variant) for variant in variants):
        yield "--keep-float auto"
    if any(variant.base not in _FLOATS for variant in variants):
        yield "a higher precision such as fp16"
    if any((variant.compression or "").startswith(PRUNED) for variant in variants):
        yield "a smaller --prune share"
    if any((variant.compression or "").startswith(CLUSTERED) for variant in variants):
        yield "more --cluster values"
    if any(one.failed == ("accuracy",) for one in losses):
        yield "a higher --max-drop"
