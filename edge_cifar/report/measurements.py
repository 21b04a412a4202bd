"""What benchmarks and parity checks found out about artifacts, read from their JSON."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from edge_cifar import formats
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.fields import Fields
from edge_cifar.errors import EdgeCifarError
from edge_cifar.report.machines import machine_label
from edge_cifar.report.operators import TypeCost, read_operators
from edge_cifar.report.parity import NOT_ASKED, Parity, read_parity

SCHEMA = 1


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


def read_benchmark(document: Any, file: str, data: Mapping[str, DataSource] | None = None) -> Benchmark:
    """Read what ``edge-cifar bench --json`` wrote.

    Args:
        document: the parsed JSON.
        file: what to call the file in an error and on the page.
        data: by model name, what accuracy was measured on, where the document does not tell.

    Raises:
        EdgeCifarError: it is not such a document, or a value in it has the wrong type.
    """
    fields = Fields(document, file)
    if fields.whole("schema") != SCHEMA or "results" not in fields.plain():
        raise EdgeCifarError(f"{file} is not a bench result of schema {SCHEMA}; make one with: edge-cifar bench --json")
    machine = fields.child("machine").plain()
    label = machine_label(machine)
    measurements = []
    for row in fields.children("results"):
        known = (data or {}).get(row.text("model") or "")
        measurements.append(_measurement(row, label, DataSource.from_json(row.child("data")) or known))
    rest = {
        key: value
        for key, value in fields.plain().items()
        if key not in ("schema", "machine", "protocol", "results", "warnings", "bundle")
    }
    return Benchmark(
        file="/".join(PurePath(file).parts[-2:]),
        label=label,
        machine=machine,
        protocol=fields.child("protocol").plain(),
        provenance=rest,
        warnings=tuple(str(warning) for warning in fields.items("warnings")),
        measurements=tuple(measurements),
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


def _measurement(row: Fields, machine: str, data: DataSource | None) -> Measurement:
    accuracy, latency, drop = row.child("accuracy"), row.child("latency_ms"), row.child("paired_drop")
    variant = row.text("variant")
    path = row.text("path") or ""
    model = row.text("model") or PurePath(path).stem
    if not model:
        raise row.refuse("model", "the name of a model")
    status = row.text("status")
    if status not in ("ok", "failed", "skipped"):
        raise row.refuse("status", "ok, failed or skipped")
    format_, _, precision = (variant or "").partition("-")
    labels, confusion = tuple(map(str, accuracy.items("labels"))), accuracy.matrix("confusion")
    if labels and confusion and len(labels) != len(confusion):
        raise accuracy.refuse("confusion", f"as many lines as there are labels, {len(labels)}")
    return Measurement(
        model=model,
        variant=variant,
        format=format_ or _format_of(path),
        precision=precision or "as given",
        machine=machine,
        data=data,
        status=status,
        reason=row.text("reason"),
        runtime=row.text("runtime"),
        backend=row.text("backend"),
        threads=row.whole("threads"),
        batch=row.whole("batch"),
        sha256=row.text("sha256"),
        size_bytes=row.number("size_bytes"),
        accuracy=accuracy.number("top1"),
        low=accuracy.number("low"),
        high=accuracy.number("high"),
        images=accuracy.whole("images"),
        majority=accuracy.number("majority"),
        correct=_bits(accuracy),
        images_sha256=accuracy.text("images_sha256"),
        labels=labels,
        confusion=confusion,
        agreement=row.child("agreement").number("top1"),
        drop_points=drop.number("points"),
        drop_low=drop.number("low"),
        drop_high=drop.number("high"),
        median_ms=latency.number("median"),
        p90_ms=latency.number("p90"),
        p99_ms=latency.number("p99"),
        first_ms=latency.number("first"),
        load_ms=row.number("load_ms"),
        memory_bytes=row.number("memory_bytes"),
        peak_rss_bytes=row.number("peak_rss_bytes"),
        throughput_per_s=row.number("throughput_per_s"),
        joules_per_image=row.child("energy").number("joules_per_image"),
        multiply_adds_per_s=row.number("multiply_adds_per_s"),
        operators=read_operators(row),
        unprofiled=row.text("unprofiled") or "",
        caveat=row.text("caveat") or "",
        on_front=bool(row.flag("pareto")),
        notes=tuple(str(note) for note in row.items("notes")),
        parity=read_parity(row.child("parity")),
    )


def _format_of(path: str) -> str:
    found = formats.of_file(path)
    return found.name if found else "other"


def _bits(accuracy: Fields) -> bytes:
    """Image by image whether it was classified right, packed."""
    try:
        bits = base64.b64decode(accuracy.text("correct") or "", validate=True)
    except (binascii.Error, ValueError):
        bits = b"?"
    if bits and len(bits) != -(-(accuracy.whole("images") or 0) // 8):
        raise accuracy.refuse("correct", "a bit for each image, in base64")
    return bits
