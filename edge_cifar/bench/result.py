"""The rows of a benchmark and the document that holds them, as JSON shows both."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_cifar.bench.evaluation_set import Evaluation
from edge_cifar.bench.statistics import Latency
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.runtimes import Operator
from edge_cifar.variant import Variant

SCHEMA = 1

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as long one inference takes as that of a baseline.

    Attributes:
        to: the baseline: its variant, or a bare file's name.
        interval: over paired windows.
    """

    to: str
    interval: Interval


@dataclass(frozen=True, kw_only=True, eq=False)
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
        backend: which of the runtime's backends computed it.
        threads: CPU threads an inference could use.
        batch: images in one inference.
        input: what pixels were given as: ``layout``, ``low``, ``high``, and on what ``ground``.
        size_bytes: on disk.
        gzip_bytes: compressed.
        judged: its answers on the images that accuracy is measured on.
        compared: its answers on the images with the Keras model's.
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
    judged: Evaluation | None = None
    compared: Evaluation | None = None
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

    def document(self) -> dict[str, Any]:
        """The row as JSON holds it."""
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
            "data": dict(self.judged.facts) if self.judged else None,
            "accuracy": _accuracy(self.judged) if self.judged else None,
            "agreement": _agreement(self.compared) if self.compared else None,
            "paired_drop": asdict(self.compared.drop) if self.compared and self.compared.drop else None,
            "latency_ms": {**asdict(self.latency), "windows": list(self.latency.windows)} if self.latency else None,
            "ratio": _ratio(self.ratio) if self.ratio else None,
            "import_ms": self.import_ms,
            "load_ms": self.load_ms,
            "load_warm_ms": self.load_warm_ms,
            "peak_rss_bytes": self.peak_rss_bytes,
            "memory_bytes": self.memory_bytes,
            "throughput_per_s": self.throughput_per_s,
            "multiply_adds": self.multiply_adds,
            "multiply_adds_per_s": self.multiply_adds_per_s,
            "energy": _energy(self),
            "operators": [asdict(operator) for operator in self.operators] or None,
            "unprofiled": self.unprofiled,
            "caveat": self.caveat,
            "pareto": self.pareto,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchReport:
    """A whole benchmark.

    Attributes:
        machine: its facts, with its condition afterwards under ``after``.
        protocol: how it was measured.
        results: the rows.
        warnings: what makes the figures doubtful.
        facts: commit, command, time and versions.
        interrupted: whether Ctrl-C ended it before every row was done.
    """

    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    results: Sequence[BenchmarkResult]
    warnings: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    def document(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "schema": SCHEMA,
            **self.facts,
            "interrupted": self.interrupted,
            "warnings": list(self.warnings),
            "machine": dict(self.machine),
            "protocol": dict(self.protocol),
            "results": [result.document() for result in self.results],
        }


def correctness(accuracy: Mapping[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Image by image, whether the answer was right: what a row's ``accuracy`` holds packed as ``correct``."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(accuracy["correct"], validate=True), np.uint8))
    return bits[: accuracy["images"]].astype(np.bool_)


def _accuracy(judged: Evaluation) -> dict[str, Any]:
    return {
        "top1": judged.accuracy.value,
        "low": judged.accuracy.low,
        "high": judged.accuracy.high,
        "images": judged.accuracy.count,
        "majority": judged.majority,
        "images_sha256": judged.images_sha256,
        "calibration_error": judged.calibration_error,
        "labels": list(judged.labels),
        "confusion": None if judged.confusion is None else judged.confusion.tolist(),
        # One bit an image, so that a later result on the same images can be compared in pairs.
        "correct": base64.b64encode(np.packbits(judged.correct).tobytes()).decode("ascii"),
    }


def _energy(row: BenchmarkResult) -> dict[str, float] | None:
    if row.watts is None or row.throughput_per_s is None:
        return None
    return {"watts": row.watts, "joules_per_image": row.watts / row.throughput_per_s}


def _agreement(compared: Evaluation) -> dict[str, Any] | None:
    if compared.agreement is None:
        return None
    return {
        "top1": compared.agreement.top1_agreement,
        "max_abs_diff": compared.agreement.max_abs_diff,
        "mean_abs_diff": compared.agreement.mean_abs_diff,
        "images": compared.agreement.images,
    }


def _ratio(ratio: Ratio) -> dict[str, Any]:
    interval = ratio.interval
    return {
        "to": ratio.to,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "pairs": interval.count,
    }
