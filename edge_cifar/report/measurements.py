"""The results of benchmarks and parity checks, as the page shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar import formats
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.provenance import Provenance
from edge_cifar.report.machines import machine_label
from edge_cifar.report.operators import TypeCost, by_type
from edge_cifar.report.parity import NOT_ASKED, Parity


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One artifact on one machine with one number of threads. Values that were not measured are None.

    Attributes:
        model: name of the run it was exported from, or the stem of a model file.
        variant: such as ``tflite-int8``; None for a model file.
        format: ``tflite``, ``onnx``, ``coreml``, or ``other``.
        precision: such as ``int8``; ``unspecified`` for a model file.
        machine: label of the machine; empty for an artifact that was not benchmarked.
        data: what the accuracy was measured on; None if unknown.
        status: ``ok``, ``failed``, ``skipped``, ``not benchmarked``, or ``rejected`` by ``export``.
        reason: why it is not ``ok``; for ``rejected`` with the remedy.
        accuracy, low, high: share of ``images`` classified correctly, with its 95 % interval, in 0..1.
        balanced: balanced accuracy where it tells something else, in 0..1; else None.
        majority: share of the most common class: the accuracy of always predicting it.
        correct: whether each image was classified correctly, as packed bits; empty if unknown.
        images_sha256: checksum of the images and their labels; None if unknown.
        agreement: top-1 agreement with the Keras model, in 0..1.
        drop_points, drop_low, drop_high: accuracy lost against the Keras model on the same images,
            in percentage points, with its 95 % interval.
        labels, confusion: class names, and images by true and predicted class; empty if unknown.
        backend: the runtime's backend.
        batch: images per inference.
        median_ms, p90_ms, p99_ms, first_ms: latency per inference.
        memory_bytes: peak RSS above that of the bare runtime.
        joules_per_image: of the whole processor.
        multiply_adds_per_s: achieved MACs per second.
        operators: their cost by type; empty if it was not profiled.
        unprofiled: why there is no profile, if one was requested.
        caveat: why its accuracy is meaningless; empty if it is not.
        notes: remarks for the reader of the row.
        on_front: whether the benchmark marked it as Pareto-optimal.
    """

    model: str
    variant: str | None
    format: str
    precision: str
    status: str
    machine: str = ""
    data: DataSource | None = None
    reason: str | None = None
    runtime: str | None = None
    backend: str | None = None
    threads: int | None = None
    batch: int | None = None
    sha256: str | None = None
    size_bytes: float | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    images: int | None = None
    balanced: float | None = None
    majority: float | None = None
    correct: bytes = b""
    images_sha256: str | None = None
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    agreement: float | None = None
    drop_points: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    first_ms: float | None = None
    load_ms: float | None = None
    memory_bytes: float | None = None
    peak_rss_bytes: float | None = None
    throughput_per_s: float | None = None
    joules_per_image: float | None = None
    multiply_adds_per_s: float | None = None
    operators: tuple[TypeCost, ...] = ()
    unprofiled: str = ""
    caveat: str = ""
    on_front: bool = False
    notes: tuple[str, ...] = ()
    parity: Parity = NOT_ASKED

    @property
    def name(self) -> str:
        """Its name in sentences: ``resnet8 tflite-int8``."""
        return f"{self.model} {self.variant}" if self.variant else self.model

    @property
    def test_set(self) -> tuple[object, ...]:
        """A key of the test images; equal for equal images."""
        data = (self.data.checksum or self.data.name) if self.data else None
        return self.images_sha256 or data, self.images

    @property
    def ranked(self) -> bool:
        """Whether it may be compared with others: its accuracy is meaningful, and its batch size is 1."""
        return not self.caveat and self.batch in (None, 1)

    @property
    def synthetic(self) -> bool:
        return self.data is not None and self.data.synthetic


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
        measurements=tuple(_measurement(row, label, row.data or known.get(row.model)) for row in report.results),
    )


def with_parity(rows: Iterable[Measurement], marks: Mapping[tuple[str, str], Parity]) -> list[Measurement]:
    """The rows, each with the mark of its model and variant if there is one for the measured file."""
    return [
        dataclasses.replace(row, parity=marks.get((row.model, row.variant or ""), row.parity).of(row.sha256))
        for row in rows
    ]


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order of first appearance, without None and ""."""
    return [value for value in dict.fromkeys(values) if value not in (None, "")]


def _measurement(row: BenchmarkResult, machine: str, data: DataSource | None) -> Measurement:
    accuracy, drop, latency = row.accuracy, row.drop, row.latency
    return Measurement(
        model=row.model,
        variant=str(row.variant) if row.variant else None,
        format=row.variant.format if row.variant else _format_of(row.path),
        precision=row.variant.precision if row.variant else "unspecified",
        machine=machine,
        data=data,
        status=row.status,
        reason=row.reason,
        runtime=row.runtime,
        backend=row.backend,
        threads=row.threads,
        batch=row.batch,
        sha256=row.sha256,
        size_bytes=None if row.size_bytes is None else float(row.size_bytes),
        accuracy=accuracy.top1 if accuracy else None,
        low=accuracy.low if accuracy else None,
        high=accuracy.high if accuracy else None,
        images=accuracy.images if accuracy else None,
        balanced=accuracy.balanced if accuracy and accuracy.unbalanced else None,
        majority=accuracy.majority if accuracy else None,
        correct=accuracy.correct if accuracy else b"",
        images_sha256=accuracy.images_sha256 if accuracy else None,
        labels=accuracy.labels if accuracy else (),
        confusion=accuracy.confusion if accuracy else (),
        agreement=row.agreement.top1 if row.agreement else None,
        drop_points=drop.points if drop else None,
        drop_low=drop.low if drop else None,
        drop_high=drop.high if drop else None,
        median_ms=latency.median if latency else None,
        p90_ms=latency.p90 if latency else None,
        p99_ms=latency.p99 if latency else None,
        first_ms=latency.first if latency else None,
        load_ms=row.load_ms,
        memory_bytes=row.memory_bytes,
        peak_rss_bytes=row.peak_rss_bytes,
        throughput_per_s=row.throughput_per_s,
        joules_per_image=row.joules_per_image,
        multiply_adds_per_s=row.multiply_adds_per_s,
        operators=by_type(row.operators),
        unprofiled=row.unprofiled or "",
        caveat=row.caveat or "",
        on_front=row.pareto,
        notes=row.notes,
    )


def _format_of(path: Path) -> str:
    found = formats.of_file(path)
    return found.name if found else "other"
