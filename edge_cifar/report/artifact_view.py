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
_FACETS = (
    ("machine", "Machine"),
    ("model", "Model"),
    ("format", "Format"),
    ("precision", "Precision"),
    ("backend", "Backend"),
    ("threads", "Threads"),
    ("batch", "Batch"),
)
# cost -> (unit of the chart's axis, caption, axis title)
_COSTS = {
    "median_ms": (1.0, "Accuracy vs. latency", "latency p50, ms"),
    "size_bytes": (1e6, "Accuracy vs. size", "size on disk, MB"),
    "memory_bytes": (1e6, "Accuracy vs. memory", "peak RSS above the bare runtime, MB"),
}
SCALES = {cost: scale for cost, (scale, _, _) in _COSTS.items()}


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
    front = [
        _cell(
            row.accuracy,
            quantities.percent,
            _interval(row),
            None if row.balanced is None else f"balanced {quantities.percent(row.balanced)}",
            "synthetic" if row.synthetic else None,
            _doubt(row),
        ),
        _cell(row.median_ms, quantities.milliseconds, _tail(row), _batch(row)),
        _cell(row.size_bytes, quantities.size),
        _cell(row.memory_bytes, quantities.size),
    ]
    back = [
        _cell(row.agreement, quantities.percent, _loss(row)),
        _cell(row.load_ms, quantities.milliseconds),
        _cell(row.throughput_per_s, quantities.significant, _energy(row), _speed(row)),
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
        "reason": row.status if row.reason is None and row.status != "ok" else _reason(row),
        "notes": row.notes,
        "front": front,
        "back": back,
        "parity": {
            "status": row.parity.status,
            "word": _MARKS[row.parity.status],
            "extent": row.parity.extent,
            "rank": _RANKS[row.parity.status],
            "detail": row.parity.detail,
        },
        "on_front": row.on_front,
    }


def chart_rows(measurements: Sequence[Measurement]) -> list[View]:
    """What the script needs about each measurement."""
    numbers = ("accuracy", "low", "high", *_COSTS)
    numbered = {ground: number for number, ground in enumerate(fronts.fronts(measurements))}
    return [
        {
            "id": number,
            "model": row.model,
            "short": row.variant or row.model,
            **{key: getattr(row, key) for key, _ in _FACETS if key != "model"},
            **{key: getattr(row, key) for key in numbers},
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
        for cost, (_, caption, axis) in _COSTS.items()
        if any(fronts.drawn(row) and getattr(row, cost) is not None for row in measurements)
    ]


def facets(measurements: Sequence[Measurement], colours: Mapping[str, str]) -> list[View]:
    """The filters: one for each property in which the artifacts differ."""
    shown = []
    for key, name in _FACETS:
        values = list(dict.fromkeys(getattr(row, key) for row in measurements))
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
    ways = Ways(measurements)
    files: dict[str, set[str | None]] = {}
    for row in measurements:
        files.setdefault(row.name, set()).add(row.sha256)
    for row in measurements:
        if row.median_ms is not None:
            # Different files with the same name, measured on different machines, are not compared.
            file = f"({(row.sha256 or 'unknown')[:8]})" if len(files[row.name]) > 1 else ""
            name = " ".join(part for part in (row.name, file, ways.words(row)) if part)
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
    profiled = [row for row in measurements if row.operators]
    if not profiled:
        return None
    colours = operators.type_colours([row.operators for row in profiled])
    ways = Ways(measurements)
    return {
        "reasons": distinct(row.unprofiled for row in measurements),
        "types": [{"name": kind, "colour": colour} for kind, colour in colours.items()],
        "bars": [
            operators.view(" ".join(part for part in (row.name, ways.words(row)) if part), row.operators, colours)
            for row in profiled
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
    threads = None if row.threads is None else f"{row.threads} thread" + ("s" if row.threads != 1 else "")
    by = " ".join(part for part in (row.runtime, row.backend) if part)
    return ", ".join(part for part in (by, threads, _batch(row)) if part)


def _batch(row: Measurement) -> str | None:
    return f"batch size {row.batch}" if row.batch and row.batch > 1 else None


def _energy(row: Measurement) -> str | None:
    return None if row.joules_per_image is None else f"{quantities.significant(1e3 * row.joules_per_image)} mJ/image"


def _speed(row: Measurement) -> str | None:
    speed = row.multiply_adds_per_s
    return None if speed is None else f"{quantities.significant(speed / 1e9)} GMAC/s"


def _doubt(row: Measurement) -> str | None:
    """What a reader must know about an accuracy."""
    return row.caveat or ("not measurably better than guessing" if certainty.as_guessed(row) else None)


def _reason(row: Measurement) -> str | None:
    return row.reason if row.status == "ok" or row.reason is None else f"{row.status}: {row.reason}"


def _hover(row: Measurement) -> list[str]:
    interval = f" ({_interval(row)})" if _interval(row) else ""
    data = "" if row.data is None else f" on {row.data.name}"
    if row.synthetic and row.data is not None and row.data.name != "synthetic":
        data += ", synthetic"
    doubt = f"; {_doubt(row)}" if _doubt(row) else ""
    lines = [
        row.name,
        f"top-1 {quantities.percent(row.accuracy)}{interval}{data}{doubt}",
        f"latency p50 {quantities.milliseconds(row.median_ms)}, p90 {quantities.milliseconds(row.p90_ms)}",
        f"size {quantities.size(row.size_bytes)}, peak RSS {quantities.size(row.memory_bytes)}",
        f"parity: {_MARKS[row.parity.status]}" + (f", {row.parity.extent}" if row.parity.extent else ""),
    ]
    return lines + [words for words in (_how(row), row.machine) if words]


def _cell(value: float | None, phrase: Callable[[float | None], str], *below: str | None) -> View:
    """A figure of the table: its sort key, its text, and the small print below it."""
    if value is None:
        return {"value": "", "text": None, "below": []}
    return {"value": repr(value), "text": phrase(value), "below": [words for words in below if words]}


def _interval(row: Measurement) -> str | None:
    return None if row.low is None or row.high is None else f"{100 * row.low:.2f} to {100 * row.high:.2f}"


def _tail(row: Measurement) -> str | None:
    tail = ((name, value) for name, value in (("p90", row.p90_ms), ("p99", row.p99_ms)) if value is not None)
    return ", ".join(f"{name} {quantities.significant(value)}" for name, value in tail) or None


def _loss(row: Measurement) -> str | None:
    if row.drop_points is None:
        return None
    # Subtracted from 0.0, as negating a loss of zero would give -0.00.
    interval = (
        ""
        if row.drop_low is None or row.drop_high is None
        else f" ({0.0 - row.drop_high:+.2f} to {0.0 - row.drop_low:+.2f})"
    )
    return f"Δ top-1 {0.0 - row.drop_points:+.2f} pp{interval}"
