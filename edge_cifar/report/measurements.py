"""What benchmarks and parity checks found out about artifacts, as the page shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar import formats
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_report import BenchmarkResult, BenchReport
from edge_cifar.report.machines import machine_label
from edge_cifar.report.operators import TypeCost, by_type
from edge_cifar.report.parity import NOT_ASKED, Parity


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One artifact on one machine with one number of threads. What was not measured is None.

    Attributes:
        model: name of the run it was exported from, or the stem of a bare file.
        variant: such as ``tflite-int8``; None for a bare file.
        format: ``tflite``, ``onnx``, ``coreml``, or a bare file's suffix.
        precision: such as ``int8``; ``as given`` for a bare file.
        machine: the label of the machine it ran on; empty for an artifact that was not benched.
        data: what accuracy was measured on; None where that is not known.
        status: ``ok``, ``failed``, ``skipped``, ``not benched``, or ``rejected`` when it was exported.
        reason: why it is none of the first; for a rejected one with the way out.
        accuracy, low, high: share of ``images`` classified right, with its 95 % interval, in 0..1.
        majority: share of them that are of the commonest class: what always naming it gets right.
        correct: one bit an image, whether it was classified right, packed; empty where that is not told.
        images_sha256: over the very images and their labels; None where it was not told.
        agreement: share of images with the Keras model's class, in 0..1.
        drop_points, drop_low, drop_high: accuracy lost against the Keras model on the same images,
            in percentage points, with its 95 % interval.
        labels, confusion: names of the classes, and images by true and predicted class; empty where the
            benchmark does not tell.
        backend: which of the runtime's backends computed it.
        batch: images in one inference.
        median_ms, p90_ms, p99_ms, first_ms: latency of one inference.
        memory_bytes: peak memory above the bare runtime.
        joules_per_image: of the whole processor.
        multiply_adds_per_s: reached.
        operators: what they cost, by type; empty where it was not profiled.
        unprofiled: why it is, where a profile was asked for.
        caveat: why its accuracy says nothing about the network; empty when it does.
        notes: what a reader of the row should know.
        on_front: the benchmark's own Pareto mark.
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
        """How a sentence calls it: ``resnet8 tflite-int8``."""
        return f"{self.model} {self.variant}" if self.variant else self.model

    @property
    def test_set(self) -> tuple[object, ...]:
        """What its accuracy was measured on; equal for equal images."""
        data = (self.data.checksum or self.data.name) if self.data else None
        return self.images_sha256 or data, self.images

    @property
    def ranked(self) -> bool:
        """Whether it may be held against others: by an accuracy that counts, and an image at a time."""
        return not self.caveat and self.batch in (None, 1)

    @property
    def synthetic(self) -> bool:
        return self.data is not None and self.data.synthetic


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One bench JSON.

    Attributes:
        file: the last two parts of its path: enough to tell it by, and no folder of a user's is named.
        label: what the page calls its machine.
        machine: the machine's facts as they were recorded.
        protocol: how it was measured, as recorded.
        provenance: commit, command and the like, as recorded.
        warnings: what makes the figures doubtful.
        measurements: one an artifact, in the file's order.
    """

    file: str
    label: str
    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    measurements: tuple[Measurement, ...]


def read_benchmark(report: BenchReport, file: str, data: Mapping[str, DataSource] | None = None) -> Benchmark:
    """What a bench report says, as the page shows it.

    Args:
        report: as it was read.
        file: what the page calls its file.
        data: by model name, what accuracy was measured on, where the report does not tell.
    """
    label, known = machine_label(report.machine), data or {}
    return Benchmark(
        file=file,
        label=label,
        machine=report.machine,
        protocol=report.protocol,
        provenance={**report.provenance, "interrupted": report.interrupted},
        warnings=tuple(report.warnings),
        measurements=tuple(_measurement(row, label, row.data or known.get(row.model)) for row in report.results),
    )


def with_parity(rows: Iterable[Measurement], marks: Mapping[tuple[str, str], Parity]) -> list[Measurement]:
    """The rows, each with its mark by model and variant where there is one for the file that was measured."""
    return [
        dataclasses.replace(row, parity=marks.get((row.model, row.variant or ""), row.parity).of(row.sha256))
        for row in rows
    ]


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values that are there, each once, in order of first appearance; None and "" are left out."""
    return [value for value in dict.fromkeys(values) if value not in (None, "")]


def _measurement(row: BenchmarkResult, machine: str, data: DataSource | None) -> Measurement:
    accuracy, drop, latency = row.accuracy, row.drop, row.latency
    return Measurement(
        model=row.model,
        variant=str(row.variant) if row.variant else None,
        format=row.variant.format if row.variant else _format_of(row.path),
        precision=row.variant.precision if row.variant else "as given",
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
