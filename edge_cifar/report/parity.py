"""Parity with the Keras model, as shown on the page and in the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_cifar.documents.parity_check import ParityCheck
from edge_cifar.documents.verification import Verification

ParityStatus = Literal["proven", "checked", "failed", "unverified", "unknown"]
_STATUS: Mapping[str, ParityStatus] = {
    "pass": "proven",
    "fail": "failed",
    "unverified": "unverified",
    "checked": "checked",
}


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Whether an artifact gives the same predictions as the Keras model.

    Attributes:
        status: ``proven`` or ``failed`` by ``verify``; ``checked`` if only ``export`` compared it;
            ``unverified`` if no runtime could run it; ``unknown`` if there is no result.
        images: number of images; None if unknown.
        detail: the figures or the reason, in words; empty for none.
        sha256: of the file that was compared; None if unknown, as in results of older versions.
    """

    status: ParityStatus = "unknown"
    images: int | None = None
    detail: str = ""
    sha256: str | None = None

    def of(self, sha256: str | None) -> Parity:
        """This mark for a file: a result about another file of the same name does not apply to it."""
        if None in (sha256, self.sha256) or sha256 == self.sha256:
            return self
        return Parity(detail="a different file with this name was verified, not the one measured")

    @property
    def extent(self) -> str:
        """The number of images behind a tick: ``2,000 images``; empty without a tick, or if it is unknown."""
        if self.status not in ("proven", "checked") or not self.images:
            return ""
        return f"{self.images:,} image{'' if self.images == 1 else 's'}"


NOT_ASKED = Parity()


def of_verification(row: Verification) -> Parity:
    """The parity mark of one result of ``verify``."""
    said = [row.reason] if row.reason else []
    if row.figures:
        said.append(_in_words(row.figures.top1_agreement, row.figures.max_abs_diff))
    if row.images:
        said.append(f"{row.images:,} test images with {row.method}")
    return Parity(status=_STATUS[row.status], images=row.images, detail="; ".join(said), sha256=row.sha256)


def of_check(check: ParityCheck | None, sha256: str | None = None) -> Parity:
    """The parity mark of what ``export`` found.

    Args:
        check: of a manifest's entry; None where it has none.
        sha256: of the file.
    """
    if check is None:
        return Parity(sha256=sha256)
    said = [check.reason] if check.reason else []
    if check.top1_agreement is not None and check.max_abs_diff is not None:
        said.append(_in_words(check.top1_agreement, check.max_abs_diff))
    if check.images:
        said.append(f"{check.images:,} {check.split or 'test'} images with {check.runtime or 'an unknown runtime'}")
    return Parity(status=_STATUS[check.status], images=check.images, detail="; ".join(said), sha256=sha256)


def _in_words(agreement: float, difference: float) -> str:
    return f"top-1 agreement {100 * agreement:.2f} %, max. abs. difference {difference:.1g}"
