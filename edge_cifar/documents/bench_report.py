"""A benchmark as it is written and read: ``bench.json``, and what ``bench --json`` prints."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_cifar.documents import schema
from edge_cifar.documents.accuracy import (
    Accuracy,
    DataSource,
    drop_from_json,
    drop_to_json,
    interval_from_json,
    interval_to_json,
    variant_from_json,
)
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.operators import Operator
from edge_cifar.documents.provenance import Checksums
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.storage import files
from edge_cifar.variant import Variant

Status = Literal["ok", "failed", "skipped"]

_STATUSES: Mapping[str, Status] = {"ok": "ok", "failed": "failed", "skipped": "skipped"}


@dataclass(frozen=True, kw_only=True)
class DetailedAccuracy(Accuracy):
    """An accuracy with what it takes to compare it with another one's on the same images.

    Attributes:
        majority: share of images of the commonest class: what always naming it gets right; None where it was not told.
        images_sha256: over the images and their labels; None where it was not told.
        calibration_error: expected calibration error, 0..1; None where it was not told.
        labels: names of the classes; empty where they are not known.
        confusion: images by true class (rows) and by predicted class; empty for more classes than such a table is
            read with.
        correct: one bit an image, whether it was classified correctly, packed; empty where that was not told.
    """

    majority: float | None = None
    images_sha256: str | None = None
    calibration_error: float | None = None
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    correct: bytes = b""

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool ``[images]``: image by image, whether the answer was right."""
        return np.unpackbits(np.frombuffer(self.correct, np.uint8), count=self.images).astype(np.bool_)

    def to_json(self) -> dict[str, Any]:
        """An accuracy, and beside it what compares it."""
        return {
            **super().to_json(),
            "majority": self.majority,
            "images_sha256": self.images_sha256,
            "calibration_error": self.calibration_error,
            "labels": list(self.labels),
            "confusion": [list(line) for line in self.confusion] or None,
            "correct": base64.b64encode(self.correct).decode("ascii"),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> DetailedAccuracy:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing, has another type, or contradicts another.
        """
        plain = Accuracy.from_json(fields)
        labels, confusion = tuple(map(str, fields.items("labels"))), fields.matrix("confusion")
        if labels and confusion and len(labels) != len(confusion):
            raise fields.refuse("confusion", f"as many lines as there are labels, {len(labels)}")
        try:
            correct = base64.b64decode(fields.text("correct") or "", validate=True)
        except (binascii.Error, ValueError):
            correct = b"?"
        if correct and len(correct) != -(-plain.images // 8):
            raise fields.refuse("correct", "a bit for each image, in base64")
        return cls(
            **plain.to_json(),
            majority=fields.number("majority"),
            images_sha256=fields.text("images_sha256"),
            calibration_error=fields.number("calibration_error"),
            labels=labels,
            confusion=confusion,
            correct=correct,
        )


@dataclass(frozen=True, kw_only=True)
class KerasAgreement:
    """An artifact's answers held against the Keras model's.

    Attributes:
        top1: share of images with the same most probable class, 0..1.
        max_abs_diff: largest difference of a probability.
        mean_abs_diff: mean over images and classes.
        images: how many were compared.
    """

    top1: float
    max_abs_diff: float
    mean_abs_diff: float
    images: int

    def to_json(self) -> dict[str, Any]:
        """``{"top1", "max_abs_diff", "mean_abs_diff", "images"}``."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> KerasAgreement:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or no number.
        """
        return cls(
            top1=fields.required_number("top1"),
            max_abs_diff=fields.required_number("max_abs_diff"),
            mean_abs_diff=fields.required_number("mean_abs_diff"),
            images=fields.required_whole("images"),
        )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one inference takes, in milliseconds where nothing else is said.

    Attributes:
        median: median of the windows' medians.
        low: lower end of the median's 95 % interval, over the windows.
        high: upper end of it.
        p90: 90th percentile over all inferences of all windows.
        p99: 99th percentile likewise.
        mean: over all inferences.
        first: the first inference after loading; median over the processes that were started.
        spread: interquartile range of the windows' medians, as a share of the median.
        windows: each window's median, in the order they were taken.
        inferences: how many were timed.
    """

    median: float
    low: float
    high: float
    p90: float
    p99: float
    mean: float
    first: float
    spread: float
    windows: tuple[float, ...]
    inferences: int

    def to_json(self) -> dict[str, Any]:
        """The figures by their names."""
        return {**asdict(self), "windows": list(self.windows)}

    @classmethod
    def from_json(cls, fields: Fields) -> Latency:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing, no number, or no duration.
        """
        names = ("median", "low", "high", "p90", "p99", "mean", "first", "spread")
        figures = {name: fields.required_number(name) for name in names}
        for name in names[:-1]:
            if figures[name] <= 0:
                raise fields.refuse(name, "a duration")
        return cls(**figures, windows=fields.numbers("windows"), inferences=fields.required_whole("inferences"))


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as long one inference takes as that of a baseline.

    Attributes:
        to: the baseline: its variant, or a bare file's name.
        interval: over paired windows.
    """

    to: str
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """``{"to", "value", "low", "high", "pairs"}``."""
        return {"to": self.to, **interval_to_json(self.interval), "pairs": self.interval.count}

    @classmethod
    def from_json(cls, fields: Fields) -> Ratio:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is missing or has another type.
        """
        return cls(to=fields.required_text("to"), interval=interval_from_json(fields, fields.required_whole("pairs")))


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """One row: a file at one thread count. What was not measured is None.

    Attributes:
        model: what tables call the network.
        variant: format and precision; None for a bare file.
        path: where the file lies, relative to the working directory where it is below it.
        sha256: of the file as it was measured; None when it is missing.
        status: ``ok``; ``failed`` (here and now); ``skipped`` (this machine cannot measure it).
        reason: why it failed or was skipped.
        runtime: what ran it, or would.
        backend: which of the runtime's backends computed it; None in reports of before there was a choice.
        threads: CPU threads an inference could use.
        batch: images in one inference.
        input: what pixels were given as: ``layout``, ``low``, ``high``, and on what ``ground``.
        size_bytes: on disk.
        gzip_bytes: compressed.
        data: where the images came from that accuracy is measured on.
        accuracy: on those.
        agreement: with the Keras model, on the images that its answers are known for.
        drop: accuracy lost against the Keras model, on the same images.
        latency: of one inference.
        ratio: to the baseline.
        import_ms: importing the runtime.
        load_ms: first load in a fresh process.
        load_warm_ms: loading again in the same process.
        peak_rss_bytes: largest resident size of its process.
        memory_bytes: that, above the bare runtime.
        watts: of the processor while it ran.
        multiply_adds: of the Keras model, for one image.
        operators: what each operator costs.
        unprofiled: why there are none, where they were asked for.
        caveat: why its accuracy says nothing about the network.
        pareto: whether no other row beats it in error, latency and size.
        notes: what a reader of the row should know.
    """

    model: str
    variant: Variant | None
    path: Path
    sha256: str | None
    status: Status
    reason: str | None = None
    runtime: str | None = None
    backend: str | None = None
    threads: int
    batch: int = 1
    input: Mapping[str, Any] | None = None
    size_bytes: int | None
    gzip_bytes: int | None = None
    data: DataSource | None = None
    accuracy: DetailedAccuracy | None = None
    agreement: KerasAgreement | None = None
    drop: PairedDrop | None = None
    latency: Latency | None = None
    ratio: Ratio | None = None
    import_ms: float | None = None
    load_ms: float | None = None
    load_warm_ms: float | None = None
    peak_rss_bytes: int | None = None
    memory_bytes: int | None = None
    watts: float | None = None
    multiply_adds: int | None = None
    operators: tuple[Operator, ...] = ()
    unprofiled: str | None = None
    caveat: str | None = None
    pareto: bool = False
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.model} {self.variant}" if self.variant else self.path.name

    @property
    def throughput_per_s(self) -> float | None:
        """Images a second."""
        return None if self.latency is None else 1000 * self.batch / self.latency.mean

    @property
    def multiply_adds_per_s(self) -> float | None:
        """Multiply-adds a second in a median inference."""
        if self.multiply_adds is None or self.latency is None:
            return None
        return 1000 * self.batch * self.multiply_adds / self.latency.median

    @property
    def joules_per_image(self) -> float | None:
        """Energy of the whole processor for one image."""
        if self.watts is None or self.throughput_per_s is None:
            return None
        return self.watts / self.throughput_per_s

    def to_json(self) -> dict[str, Any]:
        """The row as JSON holds it; what follows from other figures is written for those who read it elsewhere."""
        return {
            "model": self.model,
            "variant": str(self.variant) if self.variant else None,
            "format": self.variant.format if self.variant else self.path.suffix.lower().lstrip("."),
            "precision": self.variant.precision if self.variant else None,
            "path": self.path.as_posix(),
            "sha256": self.sha256,
            "status": self.status,
            "reason": self.reason,
            "runtime": self.runtime,
            "backend": self.backend,
            "threads": self.threads,
            "batch": self.batch,
            "input": None if self.input is None else dict(self.input),
            "size_bytes": self.size_bytes,
            "gzip_bytes": self.gzip_bytes,
            "data": self.data.to_json() if self.data else None,
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "agreement": self.agreement.to_json() if self.agreement else None,
            "drop": drop_to_json(self.drop) if self.drop else None,
            "latency_ms": self.latency.to_json() if self.latency else None,
            "ratio": self.ratio.to_json() if self.ratio else None,
            "import_ms": self.import_ms,
            "load_ms": self.load_ms,
            "load_warm_ms": self.load_warm_ms,
            "peak_rss_bytes": self.peak_rss_bytes,
            "memory_bytes": self.memory_bytes,
            "throughput_per_s": self.throughput_per_s,
            "multiply_adds": self.multiply_adds,
            "multiply_adds_per_s": self.multiply_adds_per_s,
            "energy": None
            if self.joules_per_image is None
            else {"watts": self.watts, "joules_per_image": self.joules_per_image},
            "operators": [operator.to_json() for operator in self.operators] or None,
            "unprofiled": self.unprofiled,
            "caveat": self.caveat,
            "pareto": self.pareto,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> BenchmarkResult:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing, has another type, or contradicts another.
        """
        path = Path(fields.text("path") or "")
        model = fields.text("model") or path.stem
        if not model:
            raise fields.refuse("model", "the name of a model")
        status = fields.choice("status", _STATUSES, "ok, failed or skipped")
        if status == "ok":
            fields.required_number("size_bytes")
            if not fields.has("latency_ms"):
                raise fields.refuse("latency_ms", "what was measured")
        return cls(
            model=model,
            variant=variant_from_json(fields, "variant") if fields.has("variant") else None,
            path=path,
            sha256=fields.text("sha256"),
            status=status,
            reason=fields.text("reason"),
            runtime=fields.text("runtime"),
            backend=fields.text("backend"),
            threads=fields.required_whole("threads"),
            batch=fields.whole("batch") or 1,
            input=fields.child("input").plain() or None,
            size_bytes=fields.whole("size_bytes"),
            gzip_bytes=fields.whole("gzip_bytes"),
            data=DataSource.from_json(fields.child("data")),
            accuracy=fields.optional("accuracy", DetailedAccuracy.from_json),
            agreement=fields.optional("agreement", KerasAgreement.from_json),
            drop=fields.optional("drop", drop_from_json),
            latency=fields.optional("latency_ms", Latency.from_json),
            ratio=fields.optional("ratio", Ratio.from_json),
            import_ms=fields.number("import_ms"),
            load_ms=fields.number("load_ms"),
            load_warm_ms=fields.number("load_warm_ms"),
            peak_rss_bytes=fields.whole("peak_rss_bytes"),
            memory_bytes=fields.whole("memory_bytes"),
            watts=fields.child("energy").number("watts"),
            multiply_adds=fields.whole("multiply_adds"),
            operators=tuple(map(Operator.from_json, fields.children("operators"))),
            unprofiled=fields.text("unprofiled"),
            caveat=fields.text("caveat"),
            pareto=bool(fields.flag("pareto")),
            notes=tuple(map(str, fields.items("notes"))),
        )


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """A whole benchmark.

    Attributes:
        machine: its facts, with its condition afterwards under ``after``.
        protocol: how it was measured.
        results: the rows.
        warnings: what makes the figures doubtful.
        provenance: commit, command, time and versions.
        interrupted: whether Ctrl-C ended it before every row was done.
        bundle: checksums of the bundle that it is about; None where it is about several, or about bare files.
    """

    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    results: Sequence[BenchmarkResult]
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    bundle: Checksums | None = None

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
            **self.provenance,
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
            # The last, which takes what is left.
            provenance=fields.rest(),
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
