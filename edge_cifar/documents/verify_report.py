"""A verification as it is written and read: ``verify.json``, and what ``verify --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema
from edge_cifar.documents.provenance import Origin
from edge_cifar.documents.verification import Verification
from edge_cifar.storage import files


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """The verification of a bundle.

    Attributes:
        origin: what made it, where and when, and the bundle that it is about.
        results: one an artifact.
    """

    origin: Origin
    results: Sequence[Verification]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "kind": "verify",
            "schema": schema.SCHEMA,
            **self.origin.to_json(),
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, document: Any, file: str) -> VerifyReport:
        """Read what :meth:`to_json` writes, or wrote in schema 1.

        Args:
            document: the parsed JSON.
            file: what to call the file in an error.

        Raises:
            BundleError: it is no verify report, or a value in it is missing or has another type.
        """
        fields = schema.opened(document, file, "verify", _upgraded)
        results = tuple(map(Verification.from_json, fields.children("results")))
        return cls(origin=Origin.from_json(fields), results=results)

    @classmethod
    def read(cls, path: Path) -> VerifyReport:
        """Read a file.

        Raises:
            BundleError: it is missing, is no JSON, or no verify report.
        """
        return cls.from_json(files.read_json(path, "verify report"), str(path))

    def write(self, path: Path) -> None:
        """Write a file, whole."""
        files.write_json(path, self.to_json())


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A report of schema 1: an accuracy was ``value`` and the drop ``accuracy_drop``, both without their images."""
    return {**document, "results": [_upgraded_row(row) for row in document["results"]]}


def _upgraded_row(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("accuracy") is None:
        return row
    accuracies = {
        name: {"top1": one["value"], "low": one["low"], "high": one["high"], "images": row["images"]}
        for name in ("accuracy", "reference_accuracy")
        for one in (row[name],)
    }
    return {**row, **accuracies, "drop": {**row["accuracy_drop"], "images": row["images"]}}
