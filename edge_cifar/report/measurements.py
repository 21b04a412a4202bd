"""The results of benchmarks and parity checks, as the page shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_cifar import formats
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.provenance import Provenance
from edge_cifar.report.machines import machine_label
from edge_cifar.report.parity import NOT_ASKED, Parity


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One artifact on one machine with one number of threads.

    Attributes:
        result: its row of the bench report; one without figures for an artifact that was not benchmarked.
        absent: why there are no figures: it was not benchmarked, or ``export`` rejected it; None if it was benchmarked.
        machine: label of the machine; empty for an artifact that was not benchmarked.
        parity: whether it was verified.
    """

    result: BenchmarkResult
    absent: Literal["not benchmarked", "rejected"] | None = None
    machine: str = ""
    parity: Parity = NOT_ASKED

    @property
    def model(self) -> str:
        """Name of the run it was exported from, or the stem of a model file."""
        return self.result.model

    @property
    def variant(self) -> str | None:
        """Such as ``tflite-int8``; None for a model file."""
        return str(self.result.variant) if self.result.variant else None

    @property
    def format(self) -> str:
        """``tflite``, ``onnx``, ``coreml``, or ``other``."""
        if self.result.variant:
            return self.result.variant.format
        found = formats.of_file(self.result.path)
        return found.name if found else "other"

    @property
    def precision(self) -> str:
        """Such as ``int8``; ``unspecified`` for a model file."""
        return self.result.variant.precision if self.result.variant else "unspecified"

    @property
    def name(self) -> str:
        """Its name in sentences: ``resnet8 tflite-int8``."""
        return f"{self.model} {self.variant}" if self.variant else self.model

    @property
    def status(self) -> str:
        """``ok``, ``failed``, ``skipped``, ``not benchmarked``, or ``rejected`` by ``export``."""
        return self.absent or self.result.status

    @property
    def median_ms(self) -> float | None:
        """Median latency per inference; None if it was not measured."""
        return self.result.latency.median if self.result.latency else None

    @property
    def test_set(self) -> tuple[object, ...]:
        """A key of the test images; equal for equal images."""
        data, accuracy = self.result.data, self.result.accuracy
        known = (data.checksum or data.name) if data else None
        return (accuracy.images_sha256 or known, accuracy.images) if accuracy else (known, None)

    @property
    def ranked(self) -> bool:
        """Whether it may be compared with others: its accuracy is meaningful, and its batch size is 1."""
        return not self.result.caveat and self.result.batch <= 1

    @property
    def synthetic(self) -> bool:
        """Whether its accuracy was measured on computer-generated images."""
        return self.result.data is not None and self.result.data.synthetic


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One bench JSON.

    Attributes:
        file: the last two parts of its path, which identify it without disclosing the user's folders.
        label: the label of its machine.
        machine: the recorded facts about the machine.
        protocol: the recorded protocol.
        provenance: the recorded commit, command and so on.
        interrupted: whether it was ended early.
        warnings: why its measurements may be unreliable.
        measurements: in the file's order.
    """

    file: str
    label: str
    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    provenance: Provenance
    interrupted: bool
    warnings: tuple[str, ...]
    measurements: tuple[Measurement, ...]


def read_benchmark(report: BenchReport, file: str, data: Mapping[str, DataSource] | None = None) -> Benchmark:
    """A bench report as the page shows it.

    Args:
        report: the report.
        file: its name on the page.
        data: what the accuracy was measured on, by model name, for reports that do not state it.
    """
    label, known = machine_label(report.machine), data or {}
    return Benchmark(
        file=file,
        label=label,
        machine=report.machine,
        protocol=report.protocol,
        provenance=report.provenance,
        interrupted=report.interrupted,
        warnings=tuple(report.warnings),
        measurements=tuple(
            Measurement(result=dataclasses.replace(row, data=row.data or known.get(row.model)), machine=label)
            for row in report.results
        ),
    )


def unmeasured(absent: Literal["not benchmarked", "rejected"], parity: Parity = NOT_ASKED, **known: Any) -> Measurement:
    """An artifact without figures.

    Args:
        absent: why there are none.
        parity: whether it was verified.
        known: attributes of :class:`BenchmarkResult`.
    """
    return Measurement(
        # It never ran: neither with threads, nor on a batch.
        result=BenchmarkResult(path=Path(), status="skipped", threads=0, batch=0, **known),
        absent=absent,
        parity=parity,
    )


def with_parity(rows: Iterable[Measurement], marks: Mapping[tuple[str, str], Parity]) -> list[Measurement]:
    """The rows, each with the mark of its model and variant if there is one for the measured file."""
    return [
        dataclasses.replace(row, parity=marks.get((row.model, row.variant or ""), row.parity).of(row.result.sha256))
        for row in rows
    ]


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order of first appearance, without None and ""."""
    return [value for value in dict.fromkeys(values) if value not in (None, "")]
