"""Results about files that have since been replaced in the bundle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.provenance import Checksums
from edge_cifar.documents.verification import Verification

_KERAS = "keras-fp32"


R = TypeVar("R", BenchmarkResult, Verification)


def current(rows: Sequence[R], told: Checksums | None, bundles: Iterable[Bundle], home: Bundle | None) -> list[R]:
    """The rows of a report without those about artifacts that have since been replaced.

    A row belongs to the bundle if its artifact's checksum does, or for a row without one, if the manifest's checksum
    in its report does. It is kept if neither is known, as in verifications of older versions, or if no bundle of the
    model is given.

    Args:
        rows: of a bench or a verify report, with the bundles' model names.
        told: checksums of the bundle, as the report states them.
        bundles: those on the page.
        home: the bundle of the run that contains the report; rows about artifacts that it lacks are outdated too.
    """
    known = _Known(list(bundles), home, told)
    return [row for row in rows if not known.outdated(row)]


def warning(left_out: int, rows: int) -> str:
    """The page's warning about omitted rows."""
    return f"{left_out} of {rows} rows are omitted: their artifacts have since been replaced; run bench again"


class _Known:
    """The bundles' current artifacts, and whether a report is about none of these bundles."""

    def __init__(self, bundles: Sequence[Bundle], home: Bundle | None, told: Checksums | None) -> None:
        self._models = {bundle.model for bundle in bundles}
        self._listed: dict[tuple[str, str], set[str]] = {}
        for bundle in bundles:
            for artifact in bundle.artifacts:
                self._listed.setdefault((bundle.model, str(artifact.variant)), set()).add(artifact.sha256)
            if bundle.source_sha256 is not None:
                self._listed.setdefault((bundle.model, _KERAS), set()).add(bundle.source_sha256)
        self._home = home
        manifest = told.manifest_sha256 if told else None
        self._of_another_bundle = manifest is not None and all(one.manifest_sha256 != manifest for one in bundles)

    def outdated(self, row: BenchmarkResult | Verification) -> bool:
        if row.model not in self._models or row.variant is None:
            return False
        if row.sha256 is None:
            return self._of_another_bundle
        variant = str(row.variant)
        if (row.model, variant) in self._listed:
            return row.sha256 not in self._listed[row.model, variant]
        return self._home is not None and row.model == self._home.model and variant != _KERAS
