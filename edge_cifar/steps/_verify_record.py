"""What a run keeps of its verifications: of each artifact the one on the most images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_cifar.errors import EdgeCifarError
from edge_cifar.progress import Progress
from edge_cifar.storage import files

Row = Mapping[str, Any]

# What a document says of all its results: a result that is kept from an earlier one takes it along.
_ORIGIN = ("commit", "command", "measured_at", "versions", "machine", "bundle")


def write(path: Path, document: Mapping[str, Any], progress: Progress) -> None:
    """Write a verification, except where an earlier one of the same artifact saw more images.

    A look at ten images must not replace the proof on two thousand, whichever way it went: few images fail
    by chance. The same artifact is one with the same checksum; another takes the earlier result's place
    however few its images are, and so does a failure that is no matter of images, such as a crash.

    Args:
        path: the record, JSON as :func:`edge_cifar.steps.verify.document` makes it. It need not exist; one
            that cannot be read is replaced.
        document: the new verification.
        progress: told what is kept of the earlier one.

    Raises:
        EdgeCifarError: it cannot be written.
    """
    earlier = _read(path)
    old = {row.get("variant"): row for row in earlier["results"]}
    results = [_fuller(row, old.get(row["variant"], {}), earlier) for row in document["results"]]
    files.write_json(path, {**document, "results": results})
    fuller: dict[tuple[int, int], list[str]] = {}
    for row, kept in zip(document["results"], results, strict=True):
        if kept is not row:
            fuller.setdefault((kept["images"], row["images"]), []).append(row["variant"])
    for (images, fewer), variants in fuller.items():
        progress.say(
            f"{path} keeps the verification of {', '.join(variants)} on {images:,} images instead of this one on "
            f"{fewer:,}; verify on at least {images:,} to replace it"
        )


def _fuller(row: Row, old: Row, earlier: Mapping[str, Any]) -> Row:
    same = row["sha256"] and row["sha256"] == old.get("sha256")
    without_answers = row["status"] == "fail" and not row["images"]
    if not same or without_answers or old["images"] <= row["images"]:
        return row
    return {"from": {key: earlier[key] for key in _ORIGIN if key in earlier}, **old}


def _read(path: Path) -> Mapping[str, Any]:
    """The earlier record; one without results where there is none, or none of this form."""
    try:
        document = files.read_json(path, "verify result")
    except EdgeCifarError:
        return {"results": []}
    rows = document.get("results") if isinstance(document, dict) else None
    sound = isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("images"), int) for row in rows)
    return document if sound else {"results": []}
