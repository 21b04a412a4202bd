"""What ``edge-cifar bench`` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edge_cifar.cli.output import echo, emit_json, emit_table, status
from edge_cifar.errors import CheckFailed
from edge_cifar.report.ways import Ways

if TYPE_CHECKING:
    from edge_cifar.documents.bench_report import BenchmarkResult, BenchReport

_GOOD = {"ok": True, "failed": False, "skipped": None}
_MOST_OPERATORS = 5


def emit(report: BenchReport, as_json: bool, relative_to: str | None) -> None:
    """Print a benchmark, wherever it was measured: as JSON, or as a table."""
    for warning in report.warnings:
        echo(f"warning: {warning}", err=True)
    if as_json:
        emit_json(report.to_json())
    else:
        _show(report, relative_to)


def _show(report: BenchReport, relative_to: str | None) -> None:
    """Print a benchmark's table, what it has to remark, and its profile where there is one."""
    ways = Ways(report.results)
    headers = (
        *("model", "variant", "top-1 (95 % CI)", "p50 ms", "p90 ms", "p99 ms", "images/s"),
        *("size", "load ms", "peak RSS", f"vs. {relative_to or 'fp32'}", "Pareto"),
    )
    emit_table(headers, [_row(row, ways) for row in report.results])
    for line in _remarks(report.results):
        echo(line)
    if report.profiled:
        _show_profile(report, ways)
    if any(row.watts is not None for row in report.results):
        _show_energy(report, ways)
    elif report.profiled:
        echo("energy: no readable power meter")


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


def _row(row: BenchmarkResult, ways: Ways) -> list[str | None]:
    name, size = _name(row, ways), _megabytes(row.size_bytes)
    if row.latency is None:
        return [row.model, name, status(row.status, _GOOD[row.status]), *[None] * 4, size, *[None] * 4]
    return [
        row.model,
        name,
        _accuracy(row),
        f"{row.latency.median:.3f}",
        f"{row.latency.p90:.3f}",
        f"{row.latency.p99:.3f}",
        f"{row.throughput_per_s:,.0f}",
        size,
        None if row.load_ms is None else f"{row.load_ms:.1f}",
        _megabytes(row.memory_bytes),
        f"{row.ratio.interval.value:.2f}×" if row.ratio else None,
        "★" if row.pareto else "",
    ]


def _accuracy(row: BenchmarkResult) -> str | None:
    if row.accuracy is None:
        return None
    words = f"{row.accuracy.top1:.2%} [{100 * row.accuracy.low:.1f}, {100 * row.accuracy.high:.1f}]"
    words += " synthetic" if row.data and row.data.synthetic else ""
    return f"{words} ({row.caveat})" if row.caveat else words


def _megabytes(size_bytes: int | None) -> str | None:
    return None if size_bytes is None else f"{size_bytes / 1e6:.2f} MB"


def _remarks(results: Sequence[BenchmarkResult]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for row in results:
        for remark in [row.reason] if row.reason else row.notes:
            reasons.setdefault(remark, []).append(row.name)
    for remark, names in reasons.items():
        yield f"{', '.join(dict.fromkeys(names))}: {remark}"
    if any(row.batch > 1 for row in results):
        yield "Latency is per batch."
    if any(row.memory_bytes is not None for row in results):
        yield "Peak RSS is counted above that of the bare runtime."
    if any(row.pareto for row in results):
        yield "★ Pareto-optimal in accuracy, latency and size."


def _show_profile(report: BenchReport, ways: Ways) -> None:
    """The costliest operators of each row, and how near to the machine's limit it comes."""
    lines = []
    for row in report.results:
        ranked = sorted(row.operators, key=lambda operator: operator.share or 0.0, reverse=True)
        for operator in ranked[:_MOST_OPERATORS]:
            time = None if operator.milliseconds is None else f"{operator.milliseconds:.4f}"
            share = None if operator.share is None else f"{operator.share:.1%}"
            lines.append(
                [f"{row.model} {_name(row, ways)}", operator.type, time, share, operator.device, operator.name]
            )
    if lines:
        echo("")
        emit_table(("costliest operators", "type", "ms", "share", "on", "name"), lines)
    for reason in dict.fromkeys(row.unprofiled for row in report.results if row.unprofiled):
        echo(f"no operator profile: {reason}")
    speeds = [
        [
            f"{row.model} {_name(row, ways)}",
            f"{row.multiply_adds_per_s / 1e9:.2f}",
            f"{row.multiply_adds_per_s / peak:.1%}",
        ]
        for row in report.results
        if row.multiply_adds_per_s is not None and (peak := report.peak_multiply_adds_per_s(row.threads))
    ]
    if speeds:
        echo("")
        emit_table(("throughput", "GMAC/s", "of this machine's float32 peak"), speeds)


def _show_energy(report: BenchReport, ways: Ways) -> None:
    drawn = [
        [f"{row.model} {_name(row, ways)}", f"{1e3 * row.joules_per_image:.4f}", f"{row.watts:.2f}"]
        for row in report.results
        if row.joules_per_image is not None
    ]
    idle = report.idle_watts
    echo("")
    emit_table(("energy", "mJ/image", f"watts (idle: {'unknown' if idle is None else f'{idle:.2f}'})"), drawn)
