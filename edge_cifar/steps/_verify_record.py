"""The verification results kept in a run: for each artifact, those on the most images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edge_cifar.documents.verification import Verification
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import EdgeCifarError
from edge_cifar.progress import Progress


def write(path: Path, report: VerifyReport, progress: Progress) -> None:
    """Write a verification, except where an earlier one of the same artifact saw more images.

    A check of ten images must not replace one of two thousand, whatever its outcome: few images fail
    by chance. The same artifact is one with the same checksum; another takes the earlier result's place
    however few its images are, and so does a failure that is no matter of images, such as a crash.

    Args:
        path: the record. It need not exist; one that cannot be read is replaced.
        report: the new verification.
        progress: told what is kept of the earlier one.

    Raises:
        EdgeCifarError: it cannot be written.
    """
    earlier = _read(path)
    old = {row.variant: row for row in earlier.results} if earlier else {}
    results = []
    fuller: dict[tuple[int, int], list[str]] = {}
    for row in report.results:
        before = old.get(row.variant)
        if earlier is None or before is None or not _keeps(before, row):
            results.append(row)
            continue
        results.append(replace(before, origin=before.origin or earlier.origin))
        fuller.setdefault((before.images, row.images), []).append(str(row.variant))
    replace(report, results=results).write(path)
    for (images, fewer), variants in fuller.items():
        progress.say(
            f"{path} keeps the verification of {', '.join(variants)} on {images:,} images instead of this one on "
            f"{fewer:,}; verify on at least {images:,} to replace it"
        )


def _keeps(old: Verification, new: Verification) -> bool:
    """Whether the earlier of two verifications carries more evidence than the later one."""
    same = new.sha256 and new.sha256 == old.sha256
    without_answers = new.status == "fail" and not new.images
    return bool(same) and not without_answers and old.images > new.images


def _read(path: Path) -> VerifyReport | None:
    """The earlier record; None where there is none, or none that can be read."""
    try:
        return VerifyReport.read(path)
    except EdgeCifarError:
        return None
