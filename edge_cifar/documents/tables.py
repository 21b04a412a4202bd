"""The tables of results: what commands print, notebooks show and data frames hold, described once.

Shares are in percent here; documents have them in 0..1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_cifar.documents.ways import Ways
from edge_cifar.tables import Column, Row, Span, Styled, Table

if TYPE_CHECKING:
    from edge_cifar.documents.accuracy import Accuracy
    from edge_cifar.documents.artifact import Artifact
    from edge_cifar.documents.bench_report import BenchReport
    from edge_cifar.documents.benchmark_result import BenchmarkResult
    from edge_cifar.documents.bundle import Bundle
    from edge_cifar.documents.run_record import RunRecord
    from edge_cifar.documents.verification import Verification
    from edge_cifar.variant import Variant

_COLOURS = {"pass": "green", "ok": "green", "fail": "red", "failed": "red", "unverified": "yellow", "skipped": "yellow"}

_VARIANT = (
    Column(name="format", extra=True),
    Column(name="precision", extra=True),
)
_FILE = (
    Column(name="path", extra=True),
    Column(name="sha256", extra=True),
)
EXPORT_COLUMNS = (
    Column(name="variant", key=True),
    Column(name="size", unit="bytes", figures=",d"),
    Column(name="gzipped", unit="bytes", figures=",d"),
    Column(name="difference", title="max diff", figures=".1e", rank=2),
    Column(name="agreement", unit="%", figures=".2f"),
    Column(name="drop", title="Δ top-1", unit="pp", figures="+.2f"),
    Column(name="ci", title="95 % CI", unit="pp", figures="+.2f", rank=1, interval=True),
    *_VARIANT,
    Column(name="status", extra=True),
    Column(name="images", figures=",d", extra=True),
    Column(name="top1", title="top-1", unit="%", figures=".2f", extra=True),
    *_FILE,
)
VERIFY_COLUMNS = (
    Column(name="variant", key=True),
    Column(name="status"),
    Column(name="method", rank=2),
    Column(name="images", figures=",d", rank=1),
    Column(name="difference", title="max diff", figures=".1e", rank=3),
    Column(name="agreement", unit="%", figures=".2f"),
    Column(name="keras", title="reference top-1", unit="%", figures=".2f", rank=1),
    Column(name="top1", title="top-1", unit="%", figures=".2f"),
    *_VARIANT,
    Column(name="ci", title="95 % CI", unit="%", figures=".1f", extra=True, interval=True),
    Column(name="reason", extra=True),
)
BENCH_COLUMNS = (
    Column(name="model", key=True),
    Column(name="variant", key=True),
    Column(name="status", usual="ok"),
    Column(name="top1", title="top-1", unit="%", figures=".2f"),
    Column(name="ci", title="95 % CI", unit="%", figures=".1f", rank=2, interval=True),
    Column(name="balanced", unit="%", figures=".2f", rank=1),
    Column(name="p50", unit="ms", figures=".3f"),
    Column(name="p90", unit="ms", figures=".3f", rank=4),
    Column(name="p99", unit="ms", figures=".3f", rank=7),
    Column(name="rate", title="images/s", figures=",.0f", rank=3),
    Column(name="size", unit="MB", figures=".2f"),
    Column(name="load", unit="ms", figures=".1f", rank=6),
    Column(name="memory", title="peak RSS", unit="MB", figures=".1f", rank=5),
    Column(name="ratio", unit="×", figures=".2f", rank=1),
    Column(name="pareto", title="Pareto", rank=1),
    *_VARIANT,
    Column(name="runtime", extra=True),
    Column(name="backend", extra=True),
    Column(name="threads", figures="d", extra=True),
    Column(name="batch", figures="d", extra=True),
    Column(name="images", figures=",d", extra=True),
    Column(name="reason", extra=True),
    *_FILE,
)
RUN_COLUMNS = (
    Column(name="run", key=True),
    Column(name="network"),
    Column(name="data"),
    Column(name="top1", title="top-1", unit="%", figures=".2f"),
    Column(name="ci", title="95 % CI", unit="%", figures=".1f", interval=True),
    Column(name="images", figures=",d"),
    Column(name="validation", title="validation top-1", unit="%", figures=".2f"),
    Column(name="parameters", figures=",d"),
    Column(name="macs", title="MACs", figures=",d"),
    Column(name="epochs", figures="d"),
    Column(name="seconds", title="training", unit="s", figures=",.0f"),
    Column(name="path", extra=True),
)
HISTORY_COLUMNS = (
    Column(name="epoch", key=True, figures="d"),
    Column(name="phase"),
    Column(name="loss", figures=".4f"),
    Column(name="accuracy", unit="%", figures=".2f"),
    Column(name="val_loss", figures=".4f"),
    Column(name="val_accuracy", unit="%", figures=".2f"),
    Column(name="learning_rate", title="learning rate", figures=".2e"),
    Column(name="seconds", unit="s", figures=".1f"),
)


def of_bundle(bundle: Bundle) -> Table:
    """A row for each artifact of a bundle: its size, and how its predictions compare with the Keras model's."""
    notes = [
        f"{artifact.variant}: not checked, {artifact.parity.reason}"
        for artifact in bundle.artifacts
        if artifact.parity and artifact.parity.reason
    ]
    return Table(columns=EXPORT_COLUMNS, rows=tuple(map(_exported, bundle.artifacts)), notes=tuple(notes))


def of_verifications(outcomes: Sequence[Verification]) -> Table:
    """A row for each artifact that was verified."""
    notes = [f"{outcome.name}: {outcome.reason}" for outcome in outcomes if outcome.reason]
    if any(outcome.status == "pass" and outcome.method == "coreml-reference" for outcome in outcomes):
        notes.append(
            "coreml-reference is this tool's own evaluator of Core ML programs; Apple's kernels run only on a Mac."
        )
    columns: tuple[Column, ...] = VERIFY_COLUMNS
    if outcomes and outcomes[0].reference:
        titles = {"variant": "file", "keras": "reference top-1"}
        columns = tuple(replace(one, title=titles.get(one.name, one.title)) for one in columns)
    return Table(columns=columns, rows=tuple(map(_verified, outcomes)), notes=tuple(notes))


def of_bench(report: BenchReport, relative_to: str | None = None) -> Table:
    """A row for each case of a benchmark.

    Args:
        report: the benchmark.
        relative_to: what its latencies are compared with, as it was asked for; fp32 when left out.
    """
    ways = Ways(report.results)
    title = f"vs. {relative_to or _baseline(report.results)}"
    columns = tuple(replace(column, title=title) if column.name == "ratio" else column for column in BENCH_COLUMNS)
    rows = tuple(_measured(row, ways) for row in report.results)
    return Table(columns=columns, rows=rows, notes=tuple(_remarks(report.results)))


def of_run(name: str, path: str, record: RunRecord) -> Table:
    """One row: what was trained, on what, and how well it does.

    Args:
        name: the run's.
        path: its folder.
        record: what it tells.
    """
    row = (
        name,
        record.backbone,
        record.data.name,
        100 * record.test.top1,
        _interval(record.test),
        record.test.images,
        100 * record.validation.top1,
        record.parameters,
        record.multiply_adds,
        len(record.history) or None,
        record.seconds or None,
        path,
    )
    return Table(columns=RUN_COLUMNS, rows=(row,))


def of_history(record: RunRecord) -> Table:
    """A row for each epoch of a training."""
    rows = tuple(
        (
            epoch.epoch,
            epoch.phase,
            epoch.loss,
            _percent(epoch.accuracy),
            epoch.val_loss,
            _percent(epoch.val_accuracy),
            epoch.learning_rate,
            epoch.seconds,
        )
        for epoch in record.history
    )
    return Table(columns=HISTORY_COLUMNS, rows=rows)


def row_name(row: BenchmarkResult, ways: Ways) -> str:
    """What distinguishes a row among those of its model, such as ``tflite-int8 ×4``."""
    name = str(row.variant) if row.variant else row.path.suffix.lower().lstrip(".")
    return " ".join(word for word in (name, ways.words(row)) if word)


def _exported(artifact: Artifact) -> Row:
    parity, drop = artifact.parity, artifact.parity.drop if artifact.parity else None
    return (
        str(artifact.variant),
        artifact.size_bytes,
        artifact.gzip_bytes,
        parity.max_abs_diff if parity and drop else None,
        _percent(parity.top1_agreement) if parity and drop else None,
        # A loss is negative here, as on the page; zero minus it leaves no negative zero.
        0.0 - drop.points if drop else None,
        Span(0.0 - drop.high, 0.0 - drop.low) if drop else None,
        *_parts(artifact.variant),
        parity.status if parity else None,
        parity.images if parity else None,
        100 * parity.accuracy.top1 if parity and parity.accuracy else None,
        str(artifact.path),
        artifact.sha256,
    )


def _verified(outcome: Verification) -> Row:
    found = outcome.figures
    return (
        outcome.name,
        _status(outcome.status),
        outcome.method,
        outcome.images,
        found.max_abs_diff if found else None,
        100 * found.top1_agreement if found else None,
        100 * found.reference_accuracy.top1 if found else None,
        100 * found.accuracy.top1 if found else None,
        *_parts(outcome.variant),
        _interval(found.accuracy) if found else None,
        outcome.reason,
    )


def _measured(row: BenchmarkResult, ways: Ways) -> Row:
    latency, accuracy = row.latency, row.accuracy
    return (
        row.model,
        row_name(row, ways),
        _status(row.status),
        100 * accuracy.top1 if accuracy else None,
        _interval(accuracy) if accuracy else None,
        100 * accuracy.balanced if accuracy and accuracy.balanced is not None and accuracy.unbalanced else None,
        latency.median if latency else None,
        latency.p90 if latency else None,
        latency.p99 if latency else None,
        row.throughput_per_s,
        _megabytes(row.size_bytes),
        row.load_ms,
        _megabytes(row.memory_bytes),
        row.ratio.interval.value if row.ratio else None,
        row.pareto,
        *_parts(row.variant),
        row.runtime,
        row.backend,
        row.threads,
        row.batch,
        accuracy.images if accuracy else None,
        row.reason,
        row.path.as_posix(),
        row.sha256,
    )


def _remarks(results: Sequence[BenchmarkResult]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for row in results:
        remarks = [row.reason] if row.reason else list(row.notes)
        if row.accuracy and row.data and row.data.synthetic:
            remarks.append("accuracy on synthetic images")
        if row.accuracy and row.caveat and not any(note.startswith(row.caveat) for note in row.notes):
            remarks.append(f"accuracy is not meaningful: {row.caveat}")
        for remark in remarks:
            reasons.setdefault(remark, []).append(row.name)
    for remark, names in reasons.items():
        everyone = len(names) == len(results) > 1
        yield f"{'all rows' if everyone else ', '.join(dict.fromkeys(names))}: {remark}"
    if any(row.batch > 1 for row in results):
        yield "Latency is per batch."
    if any(row.memory_bytes is not None for row in results):
        yield "Peak RSS is counted above that of the bare runtime."
    if any(row.pareto for row in results):
        yield "★ Pareto-optimal in accuracy, latency and size."


def _baseline(results: Sequence[BenchmarkResult]) -> str:
    """What latencies are compared with, told by the rows themselves."""
    names = {row.ratio.to for row in results if row.ratio}
    if all(name.endswith("-fp32") for name in names):
        return "fp32"
    return names.pop() if len(names) == 1 else "baseline"


def _status(word: str) -> Styled:
    return Styled(word, _COLOURS[word])


def _parts(variant: Variant | None) -> tuple[str | None, str | None]:
    """Format and precision."""
    return (variant.format, variant.precision) if variant else (None, None)


def _interval(accuracy: Accuracy) -> Span:
    return Span(100 * accuracy.low, 100 * accuracy.high)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _megabytes(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / 1e6
