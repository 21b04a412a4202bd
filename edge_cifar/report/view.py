"""What the page shows, in the words it shows: everything that template and script need, already phrased."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edge_cifar.report import palette, quantities
from edge_cifar.report.measurements import Benchmark, Measurement, distinct
from edge_cifar.report.trained import Epoch, Trained

View = dict[str, Any]

_MARKS = {
    "proven": "✓ proven",
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
    ("threads", "Threads"),
)
# cost -> (what one unit of the chart's axis is, caption, axis title)
_COSTS = {
    "median_ms": (1.0, "Accuracy against latency", "median latency of one image, ms"),
    "size_bytes": (1e6, "Accuracy against size", "size on disk, MB"),
    "memory_bytes": (1e6, "Accuracy against memory", "peak memory above the runtime, MB"),
}
SCALES = {cost: scale for cost, (scale, _, _) in _COSTS.items()}
# A larger confusion matrix is not read cell by cell.
_LARGEST_MATRIX = 20


def columns(several_machines: bool) -> list[View]:
    """The headings of the table of artifacts, in the order of the cells of :func:`rows`."""
    machine = [("Machine", "what it ran on", False)] if several_machines else []
    headings = [
        ("Model", "name of the run it was exported from", False),
        ("Artifact", "format and precision", False),
        *machine,
        ("Accuracy", "share of the test images classified right", True),
        ("Latency", "median of one image; below it what nine of ten and 99 of 100 inferences stay under", True),
        ("Size", "on disk", True),
        ("Memory", "peak above the bare runtime", True),
        ("Parity", "whether it was shown to answer as the Keras model", False),
        ("Front", "on the Pareto front of the benchmark", False),
        ("As Keras", "share of images with the Keras model's class; below it the accuracy lost, in points", True),
        ("Load", "time to load the artifact", True),
        ("Images/s", "throughput", True),
    ]
    return [{"name": name, "title": title, "number": number} for name, title, number in headings]


def rows(measurements: Sequence[Measurement], colours: Mapping[str, str]) -> list[View]:
    """The rows of the table of artifacts."""
    return [_row(number, row, colours[row.model]) for number, row in enumerate(measurements)]


def _row(number: int, row: Measurement, colour: str) -> View:
    front = [
        _cell(row.accuracy, quantities.percent, _interval(row), "synthetic" if row.synthetic else None),
        _cell(row.median_ms, quantities.milliseconds, _tail(row)),
        _cell(row.size_bytes, quantities.size),
        _cell(row.memory_bytes, quantities.size),
    ]
    back = [
        _cell(row.agreement, quantities.percent, _loss(row)),
        _cell(row.load_ms, quantities.milliseconds),
        _cell(row.throughput_per_s, quantities.significant),
    ]
    return {
        "id": number,
        "model": row.model,
        "variant": row.variant or "as given",
        "machine": row.machine,
        "colour": colour,
        "symbol": palette.plotly_symbol(row.format),
        "how": _how(row) if row.status == "ok" else "",
        "reason": row.status if row.reason is None and row.status != "ok" else _reason(row),
        "notes": row.notes,
        "front": front,
        "back": back,
        "parity": {
            "status": row.parity.status,
            "word": _MARKS[row.parity.status],
            "rank": _RANKS[row.parity.status],
            "detail": row.parity.detail,
        },
        "on_front": row.on_front,
    }


def chart_rows(measurements: Sequence[Measurement]) -> list[View]:
    """What the script needs of each measurement."""
    numbers = ("accuracy", "low", "high", *_COSTS)
    return [
        {
            "id": number,
            "model": row.model,
            "short": row.variant or row.model,
            **{key: getattr(row, key) for key, _ in _FACETS if key != "model"},
            **{key: getattr(row, key) for key in numbers},
            "symbol": palette.plotly_symbol(row.format),
            "hover": _hover(row),
        }
        for number, row in enumerate(measurements)
    ]


def charts(measurements: Sequence[Measurement], tag: str) -> list[View]:
    """The trade-off charts that have at least one point."""
    return [
        {"cost": cost, "caption": caption + tag, "axis": axis}
        for cost, (_, caption, axis) in _COSTS.items()
        if any(row.accuracy is not None and getattr(row, cost) is not None for row in measurements)
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
                "name": "not benched" if value in (None, "") else str(value),
                "colour": colours.get(value) if key == "model" else None,
                "symbol": palette.plotly_symbol(value) if key == "format" else None,
            }
            for value in values
        ]
        shown.append({"key": key, "name": name, "options": options})
    return shown


def across_machines(measurements: Sequence[Measurement]) -> View | None:
    """Latency of each artifact by machine; None for a single machine."""
    machines = distinct(row.machine for row in measurements)
    if len(machines) < 2:
        return None
    table: dict[str, dict[str, float]] = {}
    for row in measurements:
        if row.median_ms is not None:
            threads = f", {row.threads} threads" if row.threads and row.threads > 1 else ""
            table.setdefault(row.name + threads, {}).setdefault(row.machine, row.median_ms)
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


def compared(runs: Sequence[Trained], colours: Mapping[str, str]) -> View | None:
    """Runs side by side, each figure with a bar; None for fewer than two."""
    if len(runs) < 2:
        return None
    figures: dict[str, tuple[Sequence[float | None], Callable[[float | None], str]]] = {
        "Accuracy": ([run.accuracy for run in runs], quantities.percent),
        "Macro F1": ([run.f1 for run in runs], quantities.percent),
        "Calibration error": ([run.calibration_error for run in runs], quantities.percent),
        "Training time": ([run.seconds for run in runs], quantities.duration),
        "Parameters": ([run.parameters for run in runs], quantities.amount),
        "Multiply-adds": ([run.multiply_adds for run in runs], quantities.amount),
    }
    lines = []
    for number, run in enumerate(runs):
        cells = []
        for values, phrase in figures.values():
            value, largest = values[number], max((one for one in values if one is not None), default=0)
            text = None if value is None else phrase(value)
            cells.append({"text": text, "share": round(value / largest, 4) if value and largest else 0})
        lines.append(
            {
                "name": run.name,
                "colour": colours[run.name],
                "synthetic": run.data.synthetic,
                "how": _recipe(run),
                "phases": ", then ".join(
                    f"{phase.name} {quantities.percent(phase.best, 1)}"
                    for phase in run.phases
                    if phase.best is not None
                ),
                "cells": cells,
            }
        )
    return {"columns": list(figures), "rows": lines}


def trained(run: Trained, number: int) -> View:
    """One run's section."""
    return {
        "name": run.name,
        "tag": " (synthetic data)" if run.data.synthetic else "",
        "lead": _lead(run),
        "has_history": bool(run.history),
        "phases": [
            {
                "name": phase.name,
                "epochs": phase.epochs,
                "trainable": None if phase.trainable_parameters is None else f"{phase.trainable_parameters:,}",
                "time": None if phase.seconds is None else quantities.duration(phase.seconds),
                "best": None if phase.best is None else quantities.percent(phase.best),
                "batch_norm": phase.batch_norm,
            }
            for phase in run.phases
        ],
        "classes": [
            {
                "label": one.label,
                "images": f"{one.images:,}",
                "cells": [
                    {"share": round(value, 4), "text": f"{100 * value:.1f}"}
                    for value in (one.precision, one.recall, one.f1)
                ],
            }
            for one in run.per_class
        ],
        "labels": run.labels,
        "confusion": _confusion(run) if len(run.labels) <= _LARGEST_MATRIX else None,
        "confusions": _confusions(run),
        "mistakes": base64.b64encode(run.mistakes).decode() if run.mistakes else None,
        "facts": facts(
            {
                "data": run.data.name + (" (synthetic)" if run.data.synthetic else ""),
                "data checksum": run.data.checksum,
                **{key: run.record.get(key) for key in ("commit", "command", "seed", "device", "mixed_precision")},
            }
        ),
        "more": facts({key: run.record.get(key) for key in ("recipe", "versions", "machine")}),
    }


def chart_run(run: Trained) -> View:
    """What the script needs of a run."""
    return {
        "name": run.name,
        "model": run.name,
        "history": [dataclasses.asdict(row) for row in run.history],
        "phases": _spans(run.history),
    }


def benchmark(bench: Benchmark) -> View:
    """One benchmark's protocol and machine."""
    return {
        "label": bench.label,
        "file": bench.file,
        "protocol": facts(bench.protocol),
        "machine": facts(bench.machine),
        "provenance": facts(bench.provenance),
        "warnings": bench.warnings,
    }


def facts(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as pairs for people: names in words, bytes and seconds in their units."""
    pairs = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            pairs += facts(value, f"{name}: ")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for number, one in enumerate(value, 1):
                pairs += facts(one, f"{name} {number}: ")
        elif value is not None and value != []:
            pairs.append(_fact(name, value))
    return pairs


def _fact(name: str, value: Any) -> tuple[str, str]:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, int | float):
        for suffix, unit in ((" bytes", quantities.size), (" ms", quantities.milliseconds)):
            if words.endswith(suffix):
                return words.removesuffix(suffix), unit(value)
        return words, f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else f"{value:g}"
    if isinstance(value, list):
        return words, ", ".join(str(one) for one in value)
    return words, str(value)


def _how(row: Measurement) -> str:
    threads = None if row.threads is None else f"{row.threads} thread" + ("s" if row.threads != 1 else "")
    return ", ".join(part for part in (row.runtime, threads) if part)


def _reason(row: Measurement) -> str | None:
    return row.reason if row.status == "ok" or row.reason is None else f"{row.status}: {row.reason}"


def _hover(row: Measurement) -> list[str]:
    interval = f" ({_interval(row)})" if _interval(row) else ""
    data = "" if row.data is None else f" on {row.data.name}"
    if row.synthetic and row.data is not None and row.data.name != "synthetic":
        data += ", synthetic"
    lines = [
        row.name,
        f"accuracy {quantities.percent(row.accuracy)}{interval}{data}",
        f"latency {quantities.milliseconds(row.median_ms)}, p90 {quantities.milliseconds(row.p90_ms)}",
        f"size {quantities.size(row.size_bytes)}, memory {quantities.size(row.memory_bytes)}",
        f"parity: {_MARKS[row.parity.status]}",
    ]
    return lines + [words for words in (_how(row), row.machine) if words]


def _cell(value: float | None, phrase: Callable[[float | None], str], *below: str | None) -> View:
    """A figure of the table: what it sorts by, its words, and what stands below it in small."""
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
    interval = "" if row.drop_low is None or row.drop_high is None else f" ({row.drop_low:.2f} to {row.drop_high:.2f})"
    return f"loses {row.drop_points:.2f}{interval}"


def _recipe(run: Trained) -> str:
    weights = {None: "", "none": "from scratch", "imagenet": "from ImageNet weights"}.get(
        run.weights, f"from {run.weights}"
    )
    size = f"{run.image_size} px" if run.image_size else ""
    recipe = f"recipe {run.recipe}" if run.recipe else ""
    return ", ".join(part for part in (run.backbone if run.backbone != run.name else "", weights, size, recipe) if part)


def _lead(run: Trained) -> str:
    sentences = []
    if run.accuracy is not None:
        interval = (
            ""
            if run.low is None or run.high is None
            else f" (95 % interval {100 * run.low:.2f} to {100 * run.high:.2f})"
        )
        kind = "synthetic test images" if run.data.synthetic else "test images"
        sentences.append(
            f"{quantities.percent(run.accuracy)}{interval} of {run.images or 0:,} {kind} of {run.data.name} right."
        )
    if run.calibration_error is not None:
        sentences.append(f"Expected calibration error {quantities.percent(run.calibration_error)}.")
    sentences.append((_recipe(run)[:1].upper() + _recipe(run)[1:] + ".") if _recipe(run) else "")
    costs = []
    if run.parameters is not None:
        costs.append(f"{quantities.amount(run.parameters)} parameters")
    if run.multiply_adds is not None:
        costs.append(f"{quantities.amount(run.multiply_adds)} multiply-adds")
    if run.seconds is not None:
        costs.append(f"trained in {quantities.duration(run.seconds)}")
    sentences.append((", ".join(costs) + ".") if costs else "")
    return " ".join(sentence for sentence in sentences if sentence)


def _spans(history: Iterable[Epoch]) -> list[View]:
    spans: list[View] = []
    for row in history:
        if spans and spans[-1]["name"] == row.phase:
            spans[-1]["last"] = row.epoch
        else:
            spans.append({"name": row.phase, "first": row.epoch, "last": row.epoch})
    return spans


def _shares(run: Trained) -> list[list[float]]:
    return [[cell / max(1, sum(row)) for cell in row] for row in run.confusion]


def _confusion(run: Trained) -> list[View]:
    shares = _shares(run)
    worst = max((value for r, row in enumerate(shares) for c, value in enumerate(row) if r != c), default=0.0)
    lines = []
    for r, row in enumerate(shares):
        cells = []
        for c, value in enumerate(row):
            kind = "right" if r == c else "wrong" if value > 0 else "nothing"
            share = value if r == c else value / worst if worst else 0.0
            count = run.confusion[r][c]
            title = f"{count:,} of {sum(run.confusion[r]):,} {run.labels[r]} taken for {run.labels[c]}"
            cells.append(
                {"kind": kind, "share": round(share, 3), "title": title, "text": f"{100 * value:.1f}" if count else ""}
            )
        lines.append({"label": run.labels[r], "cells": cells})
    return lines


def _confusions(run: Trained, most: int = 20) -> list[str]:
    """The most frequent confusions in words, for data with too many classes to show them all."""
    pairs = [
        (count, r, c) for r, row in enumerate(run.confusion) for c, count in enumerate(row) if r != c and count > 0
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [f"{run.labels[r]} taken for {run.labels[c]}: {count:,}" for count, r, c in pairs[:most]]
