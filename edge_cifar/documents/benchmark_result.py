"""A row of a benchmark: one file at one thread count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_cifar.documents.accuracy import DataSource, drop_from_json, drop_to_json, variant_from_json
from edge_cifar.documents.bench_figures import DetailedAccuracy, KerasAgreement, Latency, Ratio
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.operators import Operator
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.variant import Variant
from edge_cifar.visible import visible

Status = Literal["ok", "failed", "skipped"]

_STATUSES: Mapping[str, Status] = {"ok": "ok", "failed": "failed", "skipped": "skipped"}


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

    def __repr__(self) -> str:
        found = f"p50 {self.latency.median:.3f} ms" if self.latency else self.status
        accuracy = f", top-1 {100 * self.accuracy.top1:.2f} %" if self.accuracy else ""
        return f"<BenchmarkResult {visible(self.name)}: {found}{accuracy}>"

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
