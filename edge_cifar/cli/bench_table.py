"""What ``edge-cifar bench`` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_cifar.cli.output import echo, emit_json, emit_table, status
from edge_cifar.cli.tables import Column, Layout, Row, Table
from edge_cifar.errors import CheckFailed
from edge_cifar.report.ways import Ways

if TYPE_CHECKING:
    from edge_cifar.documents.bench_report import BenchReport
    from edge_cifar.documents.benchmark_result import BenchmarkResult

_GOOD = {"ok": True, "failed": False, "skipped": None}
_MOST_OPERATORS = 5

_ROW = (Column(name="model", key=True), Column(name="variant", key=True))
COLUMNS = (
    *_ROW,
    Column(name="status"),
    Column(name="top1", title="top-1", unit="%", figures=".2f"),
    Column(name="ci", title="95 % CI", unit="%", rank=2),
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
)
_OPERATOR_COLUMNS = (
    *_ROW,
    Column(name="operator"),
    Column(name="time", unit="ms", figures=".4f"),
    Column(name="share", unit="%", figures=".1f"),
    Column(name="on", rank=1),
    Column(name="name", rank=2),
)
_SPEED_COLUMNS = (
    *_ROW,
    Column(name="speed", unit="GMAC/s", figures=".2f"),
    Column(name="share", title="of float32 peak", unit="%", figures=".1f"),
)
_ENERGY_COLUMNS = (
    *_ROW,
    Column(name="energy", title="per image", unit="mJ", figures=".4f"),
    Column(name="power", unit="W", figures=".2f"),
)


def emit(report: BenchReport, as_json: bool, relative_to: str | None, layout: Layout) -> None:
    """Print a benchmark, wherever it was measured: as JSON, or as a table."""
    for warning in report.warnings:
        echo(f"warning: {warning}", err=True)
    if as_json:
        emit_json(report.to_json())
    else:
        _show(report, relative_to, layout)


def _show(report: BenchReport, relative_to: str | None, layout: Layout) -> None:
    """Print a benchmark's table, what it has to remark, and its profile where there is one."""
    ways = Ways(report.results)
    titles = {"ratio": f"vs. {relative_to or 'fp32'}"}
    columns = tuple(replace(column, title=titles.get(column.name, column.title)) for column in COLUMNS)
    emit_table(Table(columns=columns, rows=tuple(_row(row, ways) for row in report.results)), layout)
    for line in _remarks(report.results):
        echo(line, err=layout.is_data)
    if report.profiled:
        _show_profile(report, ways, layout.further)
    if any(row.watts is not None for row in report.results):
        _show_energy(report, ways, layout.further)
    elif report.profiled:
        echo("energy: no readable power meter", err=layout.is_data)


def refuse_failed(rows: Sequence[BenchmarkResult]) -> None:
    """Let rows that failed show in the exit status; those that this machine has no runtime for are no failure.

    Raises:
        CheckFailed: some failed.
    """
    failed = [row.name for row in rows if row.status == "failed"]
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(rows)} rows failed: {', '.join(dict.fromkeys(failed))}; see above for the "
            "reasons. --keep-going exits with status 0 anyway"
        )


def _name(row: BenchmarkResult, ways: Ways) -> str:
    name = str(row.variant) if row.variant else row.path.suffix.lower().lstrip(".")
    return " ".join(word for word in (name, ways.words(row)) if word)


def _row(row: BenchmarkResult, ways: Ways) -> Row:
    latency, accuracy = row.latency, row.accuracy
    return (
        row.model,
        _name(row, ways),
        None if row.status == "ok" else status(row.status, _GOOD[row.status]),
        100 * accuracy.top1 if accuracy else None,
        f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}" if accuracy else None,
        100 * accuracy.balanced if accuracy and accuracy.balanced is not None and accuracy.unbalanced else None,
        latency.median if latency else None,
        latency.p90 if latency else None,
        latency.p99 if latency else None,
        row.throughput_per_s if latency else None,
        megabytes(row.size_bytes),
        row.load_ms,
        megabytes(row.memory_bytes),
        row.ratio.interval.value if row.ratio else None,
        "★" if row.pareto else "",
    )


def megabytes(size_bytes: int | None) -> float | None:
    """A size in millions of bytes."""
    return None if size_bytes is None else size_bytes / 1e6


def _remarks(results: Sequence[BenchmarkResult]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for row in results:
        remarks = [row.reason] if row.reason else list(row.notes)
        if row.accuracy and row.data and row.data.synthetic:
            remarks.append("accuracy on synthetic images")
        if row.accuracy and row.caveat:
            remarks.append(f"accuracy {row.caveat}")
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


def _show_profile(report: BenchReport, ways: Ways, layout: Layout) -> None:
    """The costliest operators of each row, and how near to the machine's limit it comes."""
    operators: list[Row] = []
    for row in report.results:
        ranked = sorted(row.operators, key=lambda operator: operator.share or 0.0, reverse=True)
        for operator in ranked[:_MOST_OPERATORS]:
            share = None if operator.share is None else 100 * operator.share
            who = (row.model, _name(row, ways))
            operators.append((*who, operator.type, operator.milliseconds, share, operator.device, operator.name))
    if operators:
        _emit_further("costliest operators", Table(columns=_OPERATOR_COLUMNS, rows=tuple(operators)), layout)
    for reason in dict.fromkeys(row.unprofiled for row in report.results if row.unprofiled):
        echo(f"no operator profile: {reason}", err=layout.is_data)
    speeds: list[Row] = [
        (row.model, _name(row, ways), row.multiply_adds_per_s / 1e9, 100 * row.multiply_adds_per_s / peak)
        for row in report.results
        if row.multiply_adds_per_s is not None and (peak := report.peak_multiply_adds_per_s(row.threads))
    ]
    if speeds:
        _emit_further("throughput", Table(columns=_SPEED_COLUMNS, rows=tuple(speeds)), layout)


def _show_energy(report: BenchReport, ways: Ways, layout: Layout) -> None:
    idle = report.idle_watts
    drawn: list[Row] = [
        (row.model, _name(row, ways), 1e3 * row.joules_per_image, row.watts)
        for row in report.results
        if row.joules_per_image is not None
    ]
    _emit_further("energy", Table(columns=_ENERGY_COLUMNS, rows=tuple(drawn)), layout)
    echo(f"idle power: {'unknown' if idle is None else f'{idle:.2f} W'}", err=layout.is_data)


def _emit_further(title: str, table: Table, layout: Layout) -> None:
    echo()
    if not layout.is_data:
        echo(f"{title}:")
    emit_table(table, layout)
