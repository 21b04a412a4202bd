"""Markdown tables for the README and the documentation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_cifar.report import certainty, quantities
from edge_cifar.report.measurements import Measurement, distinct

_MARKS = {"proven": "✓", "checked": "✓ at export", "failed": "✗ failed", "unverified": "unverified", "unknown": ""}


def markdown(measurements: Sequence[Measurement]) -> str:
    """A table of measurements in the given order; missing values are dashes.

    There is a column for the machine if there are several, and one for parity if any is known. Accuracies on
    synthetic data are marked as such. Rows that failed or were skipped say so, with their reasons below the table.
    """
    several = len(distinct(row.machine for row in measurements)) > 1
    proven = any(row.parity.status != "unknown" for row in measurements)
    figures = ["top-1 (95 % CI)", "latency p50", "latency p90", "size", "peak RSS", "load"]
    headings = ["model", "variant", *(["machine"] if several else []), *figures]
    headings += [*(["parity"] if proven else []), "Pareto-optimal"]
    lines = [_line(headings), _line(["---:" if name in figures else "---" for name in headings])]
    for row in measurements:
        cells = [
            row.model,
            row.variant or "model file",
            *([row.machine] if several else []),
            _accuracy(row),
            quantities.milliseconds(row.median_ms),
            quantities.milliseconds(row.result.latency.p90 if row.result.latency else None),
            quantities.size(row.result.size_bytes),
            quantities.size(row.result.memory_bytes),
            quantities.milliseconds(row.result.load_ms),
            *([_parity(row)] if proven else []),
            "★" if row.result.pareto and not certainty.as_guessed(row) else "",
        ]
        lines.append(_line(cells))
    return "\n".join(lines + _reasons(measurements))


def plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Any table: text in the first column, right-aligned figures in the others."""
    alignment = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join([_line(columns), f"| {' | '.join(alignment)} |", *(_line(row) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _accuracy(row: Measurement) -> str:
    accuracy = row.result.accuracy
    if accuracy is None:
        return quantities.MISSING if row.status == "ok" else row.status
    words = quantities.with_interval(accuracy.top1, accuracy.low, accuracy.high)
    words += f", balanced {quantities.percent(accuracy.balanced)}" if accuracy.unbalanced else ""
    words += " synthetic" if row.synthetic else ""
    doubt = row.result.caveat or ("not measurably better than guessing" if certainty.as_guessed(row) else "")
    return f"{words}, {doubt}" if doubt else words


def _parity(row: Measurement) -> str:
    mark, extent = _MARKS[row.parity.status], row.parity.extent
    return f"{mark}, {extent}" if extent else mark


def _reasons(measurements: Sequence[Measurement]) -> list[str]:
    """Each reason once, after the rows that it applies to."""
    reasons: dict[str, list[str]] = {}
    for row in measurements:
        if row.status != "ok" and row.result.reason:
            reasons.setdefault(f"{row.status}: {row.result.reason}", []).append(row.name)
    return [
        line
        for reason, names in reasons.items()
        for line in ("", f"{_escaped(', '.join(names))} {_escaped(reason)}.".replace("..", "."))
    ]


def _escaped(text: str) -> str:
    """Text from files with Markdown escaped: it must not end the cell or become markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text).replace("\n", " ")
