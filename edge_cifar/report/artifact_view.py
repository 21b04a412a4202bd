"""The page's texts and figures about artifacts and benchmarks; the template only lays them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge_cifar.documents.ways import Ways
from edge_cifar.report import certainty, fronts, operators, palette, quantities
from edge_cifar.report.facts import facts
from edge_cifar.report.measurements import Benchmark, Measurement, distinct

View = dict[str, Any]

_MARKS = {
    "proven": "✓ verified",
    "checked": "✓ at export",
    "failed": "✗ failed",
    "unverified": "? unverified",
    "unknown": "not checked",
}
_RANKS = {"proven": 0, "checked": 1, "unverified": 2, "unknown": 3, "failed": 4}
# (key, name, a row's value of it)
_FACETS: tuple[tuple[str, str, Callable[[Measurement], Any]], ...] = (
    ("machine", "Machine", lambda row: row.machine),
    ("model", "Model", lambda row: row.model),
    ("format", "Format", lambda row: row.format),
    ("precision", "Precision", lambda row: row.precision),
    ("backend", "Backend", lambda row: row.result.backend),
    ("threads", "Threads", lambda row: row.result.threads or None),
    ("batch", "Batch", lambda row: row.result.batch or None),
)
# cost -> (unit of the chart's axis, caption, axis title, a row's value of it)
_COSTS: dict[str, tuple[float, str, str, Callable[[Measurement], float | None]]] = {
    "median_ms": (1.0, "Accuracy vs. latency", "latency p50, ms", lambda row: row.median_ms),
    "size_bytes": (1e6, "Accuracy vs. size", "size on disk, MB", lambda row: row.result.size_bytes),
    "memory_bytes": (
        *(1e6, "Accuracy vs. memory", "peak RSS above the bare runtime, MB"),
        lambda row: row.result.memory_bytes,
    ),
}
SCALES = {cost: scale for cost, (scale, *_) in _COSTS.items()}


def columns(several_machines: bool) -> list[View]:
    """The headings of the table of artifacts, in the order of the cells of :func:`rows`."""
    machine = [("Machine", "machine that it was measured on", False)] if several_machines else []
    headings = [
        ("Model", "run that it was exported from", False),
        ("Variant", "format and precision", False),
        *machine,
        ("Top-1", "share of the test images classified correctly; below it the 95 % confidence interval", True),
        ("Latency p50", "median per inference; below it the 90th and 99th percentiles", True),
        ("Size", "size on disk", True),
        ("Peak RSS", "peak resident memory above that of the bare runtime", True),
        ("Parity", "whether it gives the same predictions as the Keras model", False),
        ("Pareto-optimal", "no other is better in accuracy, latency or size without being worse in another", False),
        ("Top-1 agreement", "share of images with the same top-1 class as the Keras model; below it Δ top-1", True),
        ("Load", "time to load the model", True),
        ("Images/s", "throughput; below it energy and MACs per second, if known", True),
    ]
    return [{"name": name, "title": title, "number": number} for name, title, number in headings]


def rows(measurements: Sequence[Measurement], colours: Mapping[str, str]) -> list[View]:
    """The rows of the table of artifacts."""
    return [_row(number, row, colours[row.model]) for number, row in enumerate(measurements)]


def _row(number: int, row: Measurement, colour: str) -> View:
    result, accuracy = row.result, row.result.accuracy
    front = [
        _cell(
            accuracy.top1 if accuracy else None,
            quantities.percent,
            _interval(row),
            f"balanced {quantities.percent(accuracy.balanced)}" if accuracy and accuracy.unbalanced else None,
            "synthetic" if row.synthetic else None,
            _doubt(row),
        ),
        _cell(row.median_ms, quantities.milliseconds, _tail(row), _batch(row)),
        _cell(result.size_bytes, quantities.size),
        _cell(result.memory_bytes, quantities.size),
    ]
    back = [
        _cell(result.agreement.top1 if result.agreement else None, quantities.percent, _loss(row)),
        _cell(result.load_ms, quantities.milliseconds),
        _cell(result.throughput_per_s, quantities.significant, _energy(row), _speed(row)),
    ]
    return {
        "id": number,
        "model": row.model,
        "variant": row.variant or "model file",
        "machine": row.machine,
        "colour": colour,
        "symbol": palette.plotly_symbol(row.format),
        "rejected": row.status == "rejected",
        "how": _how(row) if row.status == "ok" else "",
        "reason": row.status if result.reason is None and row.status != "ok" else _reason(row),
        "notes": result.notes,
        "front": front,
        "back": back,
        "parity": {
            "status": row.parity.status,
            "word": _MARKS[row.parity.status],
            "extent": row.parity.extent,
            "rank": _RANKS[row.parity.status],
            "detail": row.parity.detail,
        },
        "on_front": result.pareto and not certainty.as_guessed(row),
    }


def chart_rows(measurements: Sequence[Measurement]) -> list[View]:
    """What the script needs about each measurement."""
    numbered = {ground: number for number, ground in enumerate(fronts.fronts(measurements))}
    return [
        {
            "id": number,
            "model": row.model,
            "short": row.variant or row.model,
            **{key: of(row) for key, _, of in _FACETS if key != "model"},
            **_accuracy(row),
            **{cost: of(row) for cost, (*_, of) in _COSTS.items()},
            # The number of its Pareto front; None if it is not plotted.
            "front": numbered[fronts.ground(row)] if fronts.drawn(row) else None,
            "symbol": palette.plotly_symbol(row.format),
            "hover": _hover(row),
        }
        for number, row in enumerate(measurements)
    ]


def charts(measurements: Sequence[Measurement], tag: str) -> list[View]:
    """The trade-off charts with at least one point."""
    return [
        {"cost": cost, "caption": caption + tag, "axis": axis}
        for cost, (_, caption, axis, of) in _COSTS.items()
        if any(fronts.drawn(row) and of(row) is not None for row in measurements)
    ]


def facets(measurements: Sequence[Measurement], colours: Mapping[str, str]) -> list[View]:
    """The filters: one for each property in which the artifacts differ."""
    shown = []
    for key, name, of in _FACETS:
        values = list(dict.fromkeys(map(of, measurements)))
        if len(values) < 2:
            continue
        options = [
            {
                "value": "" if value is None else str(value),
                "name": "not benchmarked" if value in (None, "") else str(value),
                "colour": colours.get(value) if key == "model" else None,
                "symbol": palette.plotly_symbol(value) if key == "format" else None,
            }
            for value in values
        ]
        shown.append({"key": key, "name": name, "options": options})
    return shown


def across_machines(measurements: Sequence[Measurement]) -> View | None:
    """Latency of each file by machine; None for a single machine."""
    machines = distinct(row.machine for row in measurements)
    if len(machines) < 2:
        return None
    table: dict[str, dict[str, float]] = {}
    ways = Ways(row.result for row in measurements)
    files: dict[str, set[str | None]] = {}
    for row in measurements:
        files.setdefault(row.name, set()).add(row.result.sha256)
    for row in measurements:
        if row.median_ms is not None:
            # Different files with the same name, measured on different machines, are not compared.
            file = f"({(row.result.sha256 or 'unknown')[:8]})" if len(files[row.name]) > 1 else ""
            name = " ".join(part for part in (row.name, file, ways.words(row.result)) if part)
            table.setdefault(name, {}).setdefault(row.machine, row.median_ms)
    lines = []
    for name, by_machine in table.items():
        first = next(by_machine[machine] for machine in machines if machine in by_machine)
        cells = [_latency_cell(by_machine.get(machine), first) for machine in machines]
        lines.append({"name": name, "cells": cells})
    return {"machines": machines, "rows": lines}


def _latency_cell(value: float | None, first: float) -> View:
    if value is None:
        return {"text": None, "ratio": None}
    ratio = f"× {quantities.significant(value / first)}" if first > 0 and value != first else None
    return {"text": quantities.milliseconds(value), "ratio": ratio}


def profiles(measurements: Sequence[Measurement]) -> View | None:
    """Where each profiled artifact spends its time; None if none was profiled."""
    profiled = [(row, operators.by_type(row.result.operators)) for row in measurements if row.result.operators]
    if not profiled:
        return None
    colours = operators.type_colours([costs for _, costs in profiled])
    ways = Ways(row.result for row in measurements)
    return {
        "reasons": distinct(row.result.unprofiled for row in measurements),
        "types": [{"name": kind, "colour": colour} for kind, colour in colours.items()],
        "bars": [
            operators.view(" ".join(part for part in (row.name, ways.words(row.result)) if part), costs, colours)
            for row, costs in profiled
        ],
    }


def benchmark(bench: Benchmark) -> View:
    """One benchmark's protocol and machine."""
    return {
        "label": bench.label,
        "file": bench.file,
        "protocol": facts(bench.protocol),
        "machine": facts(bench.machine),
        "provenance": facts({**bench.provenance.to_json(), "interrupted": bench.interrupted}),
        "warnings": bench.warnings,
    }


def _how(row: Measurement) -> str:
    count = row.result.threads
    threads = f"{count} thread" + ("s" if count != 1 else "") if count else None
    by = " ".join(part for part in (row.result.runtime, row.result.backend) if part)
    return ", ".join(part for part in (by, threads, _batch(row)) if part)


def _batch(row: Measurement) -> str | None:
    return f"batch size {row.result.batch}" if row.result.batch > 1 else None


def _energy(row: Measurement) -> str | None:
    joules = row.result.joules_per_image
    return None if joules is None else f"{quantities.significant(1e3 * joules)} mJ/image"


def _speed(row: Measurement) -> str | None:
    speed = row.result.multiply_adds_per_s
    return None if speed is None else f"{quantities.significant(speed / 1e9)} GMAC/s"


def _doubt(row: Measurement) -> str | None:
    """What a reader must know about an accuracy."""
    return row.result.caveat or ("not measurably better than guessing" if certainty.as_guessed(row) else None)


def _reason(row: Measurement) -> str | None:
    reason = row.result.reason
    return reason if row.status == "ok" or reason is None else f"{row.status}: {reason}"


def _hover(row: Measurement) -> list[str]:
    interval = f" ({_interval(row)})" if _interval(row) else ""
    result, p90 = row.result, row.result.latency.p90 if row.result.latency else None
    data = "" if result.data is None else f" on {result.data.name}"
    if result.data is not None and result.data.synthetic and result.data.name != "synthetic":
        data += ", synthetic"
    doubt = f"; {_doubt(row)}" if _doubt(row) else ""
    lines = [
        row.name,
        f"top-1 {quantities.percent(_accuracy(row)['accuracy'])}{interval}{data}{doubt}",
        f"latency p50 {quantities.milliseconds(row.median_ms)}, p90 {quantities.milliseconds(p90)}",
        f"size {quantities.size(result.size_bytes)}, peak RSS {quantities.size(result.memory_bytes)}",
        f"parity: {_MARKS[row.parity.status]}" + (f", {row.parity.extent}" if row.parity.extent else ""),
    ]
    return lines + [words for words in (_how(row), row.machine) if words]


def _cell(value: float | None, phrase: Callable[[float | None], str], *below: str | None) -> View:
    """A figure of the table: its sort key, its text, and the small print below it."""
    if value is None:
        return {"value": "", "text": None, "below": []}
    return {"value": repr(value), "text": phrase(value), "below": [words for words in below if words]}


def _interval(row: Measurement) -> str | None:
    accuracy = row.result.accuracy
    return f"{100 * accuracy.low:.2f} to {100 * accuracy.high:.2f}" if accuracy else None


def _tail(row: Measurement) -> str | None:
    latency = row.result.latency
    if latency is None:
        return None
    return f"p90 {quantities.significant(latency.p90)}, p99 {quantities.significant(latency.p99)}"


def _loss(row: Measurement) -> str | None:
    drop = row.result.drop
    if drop is None:
        return None
    # Subtracted from 0.0, as negating a loss of zero would give -0.00.
    points, low, high = (0.0 - value for value in (drop.points, drop.high, drop.low))
    return f"Δ top-1 {points:+.2f} pp ({low:+.2f} to {high:+.2f})"


def _accuracy(row: Measurement) -> dict[str, float | None]:
    found = row.result.accuracy
    if found is None:
        return {"accuracy": None, "low": None, "high": None}
    return {"accuracy": found.top1, "low": found.low, "high": found.high}
