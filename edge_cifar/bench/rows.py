"""The rows of a report, from what a session measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_cifar import class_names, input_ranges, model_files
from edge_cifar.bench.case import Case
from edge_cifar.bench.session import NO_ACCURACY
from edge_cifar.bench.statistics import latency, paired_ratio, window_medians
from edge_cifar.bench.subject import Subject, stored
from edge_cifar.documents.bench_figures import DetailedAccuracy, Ratio
from edge_cifar.documents.benchmark_result import BenchmarkResult, Status
from edge_cifar.errors import EdgeCifarError
from edge_cifar.evaluation.pareto import pareto_fronts

INTERRUPTED = "interrupted before it was measured"

# A smaller ratio does not matter, even if it is significant.
_NOTABLY_SLOWER = 1.05


def planned(subject: Subject) -> BenchmarkResult:
    """The row before anything was measured: the file, its size and checksum."""
    size_bytes, sha256 = stored(subject.path)
    return BenchmarkResult(
        model=subject.model,
        variant=subject.variant,
        path=shown(subject.path),
        sha256=sha256,
        status="ok",
        threads=1,
        multiply_adds=subject.multiply_adds,
        caveat=subject.caveat,
        size_bytes=size_bytes,
        gzip_bytes=None if size_bytes is None else model_files.gzip_bytes(subject.path),
    )


def not_measured(row: BenchmarkResult, status: Status, error: EdgeCifarError) -> BenchmarkResult:
    """The row of a file that is not what its manifest says, or that cannot run on this machine."""
    return replace(row, status=status, reason=str(error))


def measured(row: BenchmarkResult, case: Case, relative_to: Case | None) -> BenchmarkResult:
    """The row with the figures of its case.

    Args:
        row: as planned.
        case: what was measured.
        relative_to: the baseline's case; None leaves the ratio out.
    """
    if case.failure is not None:
        return replace(row, status="skipped" if case.unavailable else "failed", reason=case.failure)
    if not case.windows_ns:
        return replace(row, status="failed", reason=INTERRUPTED)
    subject = case.subject
    judged = case.evaluations.get(subject.accuracy_on) if subject.accuracy_on else None
    compared = case.evaluations.get(subject.agreement_on) if subject.agreement_on else None
    above = [peak - base for peak, base in zip(case.peak_bytes, case.base_bytes, strict=False)]
    row = replace(
        row,
        batch=case.batch,
        input=case.input,
        caveat=row.caveat or case.caveat,
        data=judged.data if judged else None,
        accuracy=judged.accuracy if judged else None,
        agreement=compared.agreement if compared else None,
        drop=compared.drop if compared else None,
        latency=latency(case.windows_ns, case.first_ms),
        ratio=_ratio(case, relative_to) if relative_to else None,
        import_ms=_median(case.import_ms),
        load_ms=_median(case.load_ms),
        load_warm_ms=_median(case.load_warm_ms),
        peak_rss_bytes=max(case.peak_bytes, default=None),
        memory_bytes=max(above, default=None),
        watts=case.watts,
        operators=case.operators,
        unprofiled=case.unprofiled,
    )
    return replace(row, notes=tuple(_notes(row, case, relative_to)))


def with_pareto(rows: Sequence[BenchmarkResult]) -> list[BenchmarkResult]:
    """Mark the Pareto-optimal rows in error, latency and size, among rows with equal threads, batch and images."""
    if not rows:
        return []
    fronts = pareto_fronts(np.array(list(map(_costs, rows))), list(map(_setting, rows)))
    return [replace(row, pareto=bool(on_front)) for row, on_front in zip(rows, fronts, strict=True)]


def _setting(row: BenchmarkResult) -> tuple[object, ...]:
    """What rows must share to be comparable; accuracies on different images are not."""
    accuracy, checksum = row.accuracy, row.data.checksum if row.data else None
    return row.threads, row.batch, (checksum, accuracy.images_sha256, accuracy.images) if accuracy else None


def baseline_of(case: Case, cases: Sequence[Case], relative_to: str | None) -> Case | None:
    """The baseline of a case, with the same threads and batch.

    Without a choice it is fp32 of the same model by the default backend, in the same format where
    there is one. A choice is sought in the same model first, and among all subjects then.
    """
    others = [other for other in cases if (other.threads, other.batch) == (case.threads, case.batch)]
    family = [other for other in others if other.subject.model == case.subject.model]
    if relative_to is not None:
        return next((other for other in [*family, *others] if other.subject.goes_by(relative_to)), None)
    if case.subject.variant is None:
        return None
    full = [other for other in family if other.subject.variant and other.subject.variant.precision == "fp32"]
    same_format = [other for other in full if _format(other) == _format(case)]
    return next(iter([*same_format, *full]), None)


def _ratio(case: Case, relative_to: Case) -> Ratio | None:
    """The ratio over the rounds that both took part in, whose windows are pairs."""
    mine = dict(zip(case.rounds, window_medians(case.windows_ns), strict=True))
    its = dict(zip(relative_to.rounds, window_medians(relative_to.windows_ns), strict=True))
    shared = sorted(mine.keys() & its.keys())
    if relative_to.failure is not None or not shared:
        return None
    subject = relative_to.subject
    interval = paired_ratio([mine[number] for number in shared], [its[number] for number in shared])
    return Ratio(to=str(subject.variant or subject.path.name), interval=interval)


def _notes(row: BenchmarkResult, case: Case, relative_to: Case | None) -> list[str]:
    notes = list(case.remarks)
    if case.subject.accuracy_on is None:
        notes.append(f"{NO_ACCURACY}: no labelled images available; use --data")
    if case.subject.bare:
        notes += filter(None, [_input_note(case)])
    if row.accuracy is not None and (row.accuracy.as_guessed or row.accuracy.permuted):
        notes.append(_at_chance(case, row.accuracy))
    if not any(case.stable):
        notes.append("latency was still changing at the end of the warm-up")
    if (
        row.ratio
        and relative_to
        and row.ratio.interval.low > _NOTABLY_SLOWER
        and _is_full(relative_to)
        and not _is_full(case)
    ):
        times = row.ratio.interval.value
        notes.append(f"slower than {row.ratio.to} on this machine ({times:.2f}× the latency)")
    return notes


def _input_note(case: Case) -> str | None:
    """In which range pixels were given, and why; None where the user told it, or the trial of ranges says it."""
    name = input_ranges.name_of(case.preprocessing)
    return {
        "told": model_files.overruled(case.subject.path, case.subject.options.preprocessing) or None,
        "assumed": f"assumed input range {name}, as the file does not specify it; set it with --input-range LOW,HIGH "
        "or --mean and --std",
        "stated": f"input range {name}, as the file states",
        "quantized": f"input range {name}, which the input's quantization spans",
    }.get(case.input["ground"])


def _at_chance(case: Case, accuracy: DetailedAccuracy) -> str:
    """What may be the cause of an accuracy that is as of guessing, or of classes that are each taken for another."""
    if accuracy.permuted:
        # By the names that the columns have now, which are in the data's order.
        renamed = dict(zip(accuracy.labels, accuracy.permuted, strict=True))
        known = class_names.places(case.labels, accuracy.labels) is not None
        names = ",".join(renamed[name] for name in (case.labels if known and case.labels else accuracy.labels))
        again = "set" if case.subject.bare else "export it again with"
        return f"the model's classes seem to be in another order than the data's; if so, {again} --labels {names}"
    if not case.subject.bare:
        return (
            "accuracy is no better than chance; check that the model's classes are in the same order as the data's, "
            "and that it was trained"
        )
    return (
        f"accuracy is no better than chance with input range {input_ranges.name_of(case.preprocessing)} and layout "
        f"{case.input['layout']}; if these are wrong, set --input-range LOW,HIGH and --layout, and check that the "
        "model's classes are in the same order as the data's"
    )


def _is_full(case: Case) -> bool:
    return case.subject.variant is not None and case.subject.variant.precision == "fp32"


def _format(case: Case) -> str | None:
    return case.subject.variant.format if case.subject.variant else None


def _costs(row: BenchmarkResult) -> list[float]:
    if row.accuracy is None or row.latency is None or row.size_bytes is None or row.caveat:
        return [np.nan] * 3
    if row.accuracy.as_guessed:
        return [np.nan] * 3
    return [1 - row.accuracy.top1, row.latency.median, float(row.size_bytes)]


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def shown(path: Path) -> Path:
    """A path as results show it: relative to the working directory if it is inside it."""
    here, there = Path.cwd(), path.resolve()
    return there.relative_to(here) if there.is_relative_to(here) else path
