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
        key = (fronts.ground(row), row.model, row.variant, row.backend)
        if row.confusion and key not in seen:
            seen.add(key)
            tables.setdefault((row.model, fronts.ground(row)), []).append(row)
    machines = {family[0].machine for family in tables.values()}
    return [
        _table(model, _place(family[0], machines, sum(model == other for other, _ in tables)), family)
        for (model, _), family in tables.items()
    ]


def _place(row: Measurement, machines: Collection[str], tables: int) -> str:
    """The machine and images of a table, as far as they distinguish it from others; empty for a single table."""
    images = f"{row.images:,} images of {row.data.name}" if tables > 1 and row.images and row.data else ""
    return ", ".join(filter(None, [row.machine if len(machines) > 1 else "", images]))


def _table(model: str, place: str, family: Sequence[Measurement]) -> View:
    baseline = min(family, key=lambda row: (row.format != "keras", row.precision != "fp32"))
    family = [row for row in family if len(row.confusion) == len(baseline.confusion)]
    ways = Ways(family)
    names = baseline.labels or tuple(str(number) for number in range(len(baseline.confusion)))
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
        "confusions": [{"name": _name(row, ways), "lines": confusion.lines(row.confusion, names)} for row in family],
    }


def _name(row: Measurement, ways: Ways) -> str:
    return " ".join(part for part in (row.variant or row.model, ways.words(row)) if part)


def _cell(row: Measurement, baseline: Measurement, number: int) -> View:
    right, images = row.confusion[number][number], sum(row.confusion[number])
    before, asked = baseline.confusion[number][number], sum(baseline.confusion[number])
    if not images or not asked:
        return {"text": quantities.MISSING, "change": "", "kind": "none"}
    share, reference = right / images, before / asked
    change = 100 * (share - reference)
    noise = 100 * _Z_95 * math.sqrt(share * (1 - share) / images + reference * (1 - reference) / asked)
    kind = "none" if abs(change) <= noise else "better" if change > 0 else "worse"
    words = f"{change:+.1f}" if abs(change) >= _SMALLEST_SHOWN else ""
    return {"text": f"{100 * share:.1f}", "change": words, "kind": kind}
