"""The accuracy of each artifact by class, compared with the model's baseline artifact."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from edge_cifar.documents.ways import Ways
from edge_cifar.report import confusion, fronts, quantities
from edge_cifar.report.measurements import Measurement

View = dict[str, Any]

_SMALLEST_SHOWN = 0.05
_Z_95 = 1.959963984540054


def by_class(rows: Sequence[Measurement]) -> list[View]:
    """One table for each model, machine and test set.

    The baseline is the model's Keras row, else its first fp32 row, else its first row. A difference is highlighted
    if it is significant at the 95 % level for two independent samples. As both artifacts are given the same images,
    this is conservative.
    """
    tables: dict[tuple[str, fronts.Ground], list[Measurement]] = {}
    seen = set()
    for row in rows:
        key = (fronts.ground(row), row.model, row.variant, row.result.backend)
        if _confusion(row) and key not in seen:
            seen.add(key)
            tables.setdefault((row.model, fronts.ground(row)), []).append(row)
    machines = {family[0].machine for family in tables.values()}
    return [
        _table(model, _place(family[0], machines, sum(model == other for other, _ in tables)), family)
        for (model, _), family in tables.items()
    ]


def _place(row: Measurement, machines: Collection[str], tables: int) -> str:
    """The machine and images of a table, as far as they distinguish it from others; empty for a single table."""
    accuracy, data = row.result.accuracy, row.result.data
    images = f"{accuracy.images:,} images of {data.name}" if tables > 1 and accuracy and data else ""
    return ", ".join(filter(None, [row.machine if len(machines) > 1 else "", images]))


def _table(model: str, place: str, family: Sequence[Measurement]) -> View:
    baseline = min(family, key=lambda row: (row.format != "keras", row.precision != "fp32"))
    classes = len(_confusion(baseline))
    family = [row for row in family if len(_confusion(row)) == classes]
    ways = Ways(row.result for row in family)
    labels = baseline.result.accuracy.labels if baseline.result.accuracy else ()
    names = labels or tuple(str(number) for number in range(classes))
    return {
        "model": model,
        "place": place,
        "synthetic": baseline.synthetic,
        "baseline": _name(baseline, ways),
        "artifacts": [_name(row, ways) for row in family],
        "lines": [
            {"label": label, "cells": [_cell(row, baseline, number) for row in family]}
            for number, label in enumerate(names)
        ],
        "labels": names,
        "confusions": [{"name": _name(row, ways), "lines": confusion.lines(_confusion(row), names)} for row in family],
    }


def _name(row: Measurement, ways: Ways) -> str:
    return " ".join(part for part in (row.variant or row.model, ways.words(row.result)) if part)


def _confusion(row: Measurement) -> tuple[tuple[int, ...], ...]:
    return row.result.accuracy.confusion if row.result.accuracy else ()


def _cell(row: Measurement, baseline: Measurement, number: int) -> View:
    of_class, baseline_of_class = _confusion(row)[number], _confusion(baseline)[number]
    right, images = of_class[number], sum(of_class)
    before, asked = baseline_of_class[number], sum(baseline_of_class)
    if not images or not asked:
        return {"text": quantities.MISSING, "change": "", "kind": "none"}
    share, reference = right / images, before / asked
    change = 100 * (share - reference)
    noise = 100 * _Z_95 * math.sqrt(share * (1 - share) / images + reference * (1 - reference) / asked)
    kind = "none" if abs(change) <= noise else "better" if change > 0 else "worse"
    words = f"{change:+.1f}" if abs(change) >= _SMALLEST_SHOWN else ""
    return {"text": f"{100 * share:.1f}", "change": words, "kind": kind}
