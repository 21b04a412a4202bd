"""What ``edge-cifar bench`` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_cifar.cli.layout import Layout
from edge_cifar.cli.output import echo, emit_json, emit_table
from edge_cifar.documents import tables
from edge_cifar.documents.ways import Ways
from edge_cifar.errors import CheckFailed
from edge_cifar.tables import Column, Row, Table

if TYPE_CHECKING:
    from edge_cifar.documents.bench_report import BenchReport
    from edge_cifar.documents.benchmark_result import BenchmarkResult

_MOST_OPERATORS = 5

_ROW = (Column(name="model", key=True), Column(name="variant", key=True))
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
    ways, table = Ways(report.results), tables.of_bench(report, relative_to)
    emit_table(table, layout)
    for note in table.notes:
        echo(note, err=layout.is_data)
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


def _show_profile(report: BenchReport, ways: Ways, layout: Layout) -> None:
    """The costliest operators of each row, and how near to the machine's limit it comes."""
    operators: list[Row] = []
    for row in report.results:
        ranked = sorted(row.operators, key=lambda operator: operator.share or 0.0, reverse=True)
        for operator in ranked[:_MOST_OPERATORS]:
            share = None if operator.share is None else 100 * operator.share
            who = (row.model, tables.row_name(row, ways))
            operators.append((*who, operator.type, operator.milliseconds, share, operator.device, operator.name))
    if operators:
        _emit_further("costliest operators", Table(columns=_OPERATOR_COLUMNS, rows=tuple(operators)), layout)
    for reason in dict.fromkeys(row.unprofiled for row in report.results if row.unprofiled):
        echo(f"no operator profile: {reason}", err=layout.is_data)
    speeds: list[Row] = [
        (row.model, tables.row_name(row, ways), row.multiply_adds_per_s / 1e9, 100 * row.multiply_adds_per_s / peak)
        for row in report.results
        if row.multiply_adds_per_s is not None and (peak := report.peak_multiply_adds_per_s(row.threads))
    ]
    if speeds:
        _emit_further("throughput", Table(columns=_SPEED_COLUMNS, rows=tuple(speeds)), layout)


def _show_energy(report: BenchReport, ways: Ways, layout: Layout) -> None:
    idle = report.idle_watts
    drawn: list[Row] = [
        (row.model, tables.row_name(row, ways), 1e3 * row.joules_per_image, row.watts)
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
