"""Results about other files than those that stand in the bundle now: an earlier one's, which was replaced since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from edge_cifar.documents.bench_report import BenchmarkResult
from edge_cifar.documents.bundle import Bundle, Checksums
from edge_cifar.documents.verify_report import Verification

_KERAS = "keras-fp32"


R = TypeVar("R", BenchmarkResult, Verification)


def current(rows: Sequence[R], told: Checksums | None, bundles: Iterable[Bundle], home: Bundle | None) -> list[R]:
    """The rows of a report that do not tell of artifacts which were replaced since.

    A row is held to the bundle by its artifact's checksum; one that has none, by that of the manifest which its
    report is about. Where neither is told, as in verifications of older versions, and where no bundle of the model
    is at hand, it is taken as it is.

    Args:
        rows: of a bench or a verify report; models by the bundles' names.
        told: checksums of the bundle that the report says it is about.
        bundles: those that the page is about.
        home: the bundle whose run the report was found in; rows about artifacts that it lacks are outdated too.
    """
    known = _Known(list(bundles), home, told)
    return [row for row in rows if not known.outdated(row)]


def warning(left_out: int, rows: int) -> str:
    """What the page says of rows that were left out."""
    return f"{left_out} of {rows} rows are left out: they tell of artifacts that were replaced since; measure again"


class _Known:
    """What stands in the bundles now, and whether a document says that it is about none of them."""

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
