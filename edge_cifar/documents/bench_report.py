"""A benchmark as it is written and read: ``bench.json``, and what ``bench --json`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema, tables
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.provenance import Checksums, Provenance
from edge_cifar.notebook import Tabular
from edge_cifar.storage import files
from edge_cifar.tables import Table


@dataclass(frozen=True, kw_only=True, repr=False)
class BenchReport(Tabular):
    """A whole benchmark.

    Attributes:
        machine: its facts, with its condition afterwards under ``after``.
        protocol: how it was measured.
        results: the rows.
        warnings: what makes the figures doubtful.
        provenance: what made it, and when.
        interrupted: whether Ctrl-C ended it before every row was done.
        bundle: checksums of the bundle that it is about; None where it is about several, or about bare files.
    """

    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    results: Sequence[BenchmarkResult]
    warnings: Sequence[str] = ()
    provenance: Provenance
    interrupted: bool = False
    bundle: Checksums | None = None

    @property
    def summary(self) -> str:
        """The benchmark in one line: what was measured, how many rows, on what processor."""
        models = ", ".join(dict.fromkeys(row.model for row in self.results)) or "nothing"
        told = ", ".join(f"{count} {status}" for status, count in Counter(row.status for row in self.results).items())
        machine = self.machine.get("board") or self.machine.get("cpu_model")
        return f"{models}: {told or 'no rows'}{f'; {machine}' if machine else ''}"

    def table(self) -> Table:
        """A row for each artifact, backend, number of threads and batch size."""
        table = tables.of_bench(self)
        return replace(table, notes=(*(f"warning: {warning}" for warning in self.warnings), *table.notes))

    @property
    def profiled(self) -> bool:
        """Whether the cost of each operator was asked for."""
        return bool(self.protocol.get("profile"))

    def peak_multiply_adds_per_s(self, threads: int) -> float | None:
        """What the machine can do at best; None where that was not measured."""
        peaks = self.machine.get("peak_multiply_adds_per_s") or {}
        return peaks.get(str(threads))

    @property
    def idle_watts(self) -> float | None:
        """What the processor draws when nothing of ours runs; None where the machine does not tell."""
        return (self.machine.get("energy_meter") or {}).get("idle_watts")

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "kind": "bench",
            "schema": schema.SCHEMA,
            **self.provenance.to_json(),
            "interrupted": self.interrupted,
            "warnings": list(self.warnings),
            **({"bundle": self.bundle.to_json()} if self.bundle else {}),
            "machine": dict(self.machine),
            "protocol": dict(self.protocol),
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, document: Any, file: str) -> BenchReport:
        """Read what :meth:`to_json` writes, or wrote in schema 1.

        Args:
            document: the parsed JSON.
            file: what to call the file in an error.

        Raises:
            BundleError: it is no bench report, or a value in it is missing or has another type.
        """
        fields = schema.opened(document, file, "bench", _upgraded)
        machine, protocol = fields.child("machine"), fields.child("protocol")
        for name in machine.child("peak_multiply_adds_per_s").plain():
            machine.child("peak_multiply_adds_per_s").number(name)
        machine.child("energy_meter").number("idle_watts")
        return cls(
            machine=machine.plain(),
            protocol=protocol.plain(),
            results=tuple(map(BenchmarkResult.from_json, fields.children("results"))),
            warnings=tuple(map(str, fields.items("warnings"))),
            interrupted=bool(fields.flag("interrupted")),
            bundle=fields.optional("bundle", Checksums.from_json),
            provenance=Provenance.from_json(fields),
        )

    @classmethod
    def read(cls, path: Path) -> BenchReport:
        """Read a file.

        Raises:
            BundleError: it is missing, is no JSON, or no bench report.
        """
        return cls.from_json(files.read_json(path, "bench report"), str(path))

    def write(self, path: Path) -> None:
        """Write a file, whole."""
        files.write_json(path, self.to_json())


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A report of schema 1, which called the drop ``paired_drop``."""
    if "results" not in document:
        raise ValueError("it has no results")
    rows = [{**row, "drop": row.get("paired_drop")} if isinstance(row, dict) else row for row in document["results"]]
    return {**document, "results": rows}
