"""The page's texts and figures about training runs; the template only lays them out."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edge_cifar.documents.class_report import ClassReport
from edge_cifar.documents.training_history import Epoch
from edge_cifar.report import confusion, quantities
from edge_cifar.report.examples import Examples
from edge_cifar.report.facts import facts
from edge_cifar.report.trained import Trained

View = dict[str, Any]

# A larger confusion matrix is not readable.
_LARGEST_MATRIX = 20


def compared(runs: Sequence[Trained], colours: Mapping[str, str]) -> View | None:
    """Runs side by side, with a bar for each figure; None for fewer than two."""
    if len(runs) < 2:
        return None
    figures: dict[str, tuple[Sequence[float | None], Callable[[float | None], str]]] = {
        "Top-1": ([run.record.test.top1 for run in runs], quantities.percent),
        "Macro F1": ([run.record.test.f1 for run in runs], quantities.percent),
        "Calibration error": ([run.record.test.calibration_error for run in runs], quantities.percent),
        "Training time": ([None if run.record.imported else run.record.seconds for run in runs], quantities.duration),
        "Parameters": ([run.record.parameters for run in runs], quantities.amount),
        "MACs": ([run.record.multiply_adds for run in runs], quantities.amount),
    }
    lines = []
    for number, run in enumerate(runs):
        cells = [
            {
                "text": phrase(values[number]),
                "share": _share(values[number] or 0.0, max(value or 0.0 for value in values)),
            }
            for values, phrase in figures.values()
        ]
        lines.append(
            {
                "name": run.name,
                "colour": colours[run.name],
                "synthetic": run.data.synthetic,
                "how": _recipe(run),
                "interval": _interval(run),
                "cells": cells,
            }
        )
    return {"columns": list(figures), "rows": lines, "phases": _stretches(runs, colours)}


def _stretches(runs: Sequence[Trained], colours: Mapping[str, str]) -> list[View]:
    """Every phase of every run with the accuracy that it reached: from scratch, frozen and unfrozen side by side."""
    longest = max((phase.seconds for run in runs for phase in run.phases), default=0.0)
    lines = []
    for run in runs:
        reached = 0.0
        for number, phase in enumerate(run.phases):
            # A phase without improvement keeps the weights of the one before.
            reached = max(reached, phase.best or 0.0)
            lines.append(
                {
                    "run": run.name if number == 0 else "",
                    "colour": colours[run.name],
                    "start": _start(run) if number == 0 else f"after {run.phases[number - 1].name}",
                    "name": phase.name,
                    "trainable": phase.trainable,
                    "epochs": phase.epochs,
                    "accuracy": {"text": quantities.percent(reached) if reached else None, "share": reached},
                    "time": {
                        "text": quantities.duration(phase.seconds),
                        "share": _share(phase.seconds, longest),
                    },
                }
            )
    return lines


def _share(value: float, largest: float) -> float:
    return round(value / largest, 4) if value and largest else 0.0


def examples(shown: Examples, colours: Mapping[str, str]) -> View:
    """Images with the predictions of every run."""
    return {
        "tag": " (synthetic data)" if shown.data.synthetic else "",
        "data": shown.data.name,
        "summary": shown.summary,
        "missing": shown.missing,
        "rows": [
            {
                "png": row.png,
                "label": row.label,
                "answers": [
                    {
                        "run": answer.run,
                        "colour": colours[answer.run],
                        "right": answer.right,
                        "words": f"{answer.label} {quantities.percent(answer.confidence, 0)}",
                    }
                    for answer in row.answers
                ],
            }
            for row in shown.rows
        ],
    }


def trained(run: Trained) -> View:
    """One run's section."""
    record, classes = run.record, run.classes
    return {
        "name": run.name,
        "tag": " (synthetic data)" if run.data.synthetic else "",
        "lead": _lead(run),
        "has_history": bool(record.history),
        "phases": [
            {
                "name": phase.name,
                "epochs": phase.epochs,
                "trained": phase.trainable,
                "parameters": f"{phase.trainable_parameters:,}",
                "time": quantities.duration(phase.seconds),
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
            for one in classes.per_class
        ],
        "labels": classes.labels,
        "confusion": confusion.lines(classes.confusion, classes.labels)
        if len(classes.labels) <= _LARGEST_MATRIX
        else None,
        "confusions": _confusions(classes),
        "mistakes": base64.b64encode(run.mistakes).decode() if run.mistakes else None,
        "facts": facts(
            {
                "data": run.data.name + (" (synthetic)" if run.data.synthetic and run.data.name != "synthetic" else ""),
                "data checksum": run.data.checksum,
                "commit": record.provenance.commit,
                "command": record.provenance.command,
                "seed": record.seed,
                "device": record.execution.device,
                "mixed_precision": record.execution.mixed_precision,
            }
        ),
        "more": facts({"recipe": record.recipe, "versions": record.provenance.versions, "machine": record.machine}),
    }


def chart_run(run: Trained) -> View:
    """What the script needs about a run."""
    return {
        "name": run.name,
        "model": run.name,
        "history": [dataclasses.asdict(row) for row in run.record.history],
        "phases": _spans(run.record.history),
    }


def _recipe(run: Trained) -> str:
    record = run.record
    named = [record.backbone] if record.backbone != run.name else []
    recipe = [] if record.imported else [f"recipe {record.recipe_name}"]
    return ", ".join([*named, _start(run), f"{record.resolution} px", *recipe])


def _start(run: Trained) -> str:
    """The weights before the first phase."""
    if run.record.imported:
        return f"imported from {run.record.imported.source} ({run.record.imported.input_range})"
    known = {"none": "from scratch", "imagenet": "from ImageNet weights"}
    return known.get(run.record.weights, f"from {run.record.weights}")


def _interval(run: Trained) -> str:
    """The 95 % interval of the accuracy, in percent."""
    return f"{100 * run.record.test.low:.2f} to {100 * run.record.test.high:.2f}"


def _lead(run: Trained) -> str:
    record, test, recipe = run.record, run.record.test, _recipe(run)
    what = "synthetic test images" if run.data.synthetic else "test images"
    if run.data.name != "synthetic":
        what += f" of {run.data.name}"
    balanced = (
        "" if test.balanced_accuracy is None else f"Balanced accuracy {quantities.percent(test.balanced_accuracy)}. "
    )
    means = {"precision": test.precision, "recall": test.recall, "F1": test.f1}
    return (
        f"Top-1 {quantities.percent(test.top1)} (95 % CI {_interval(run)}) on {test.images:,} {what}. {balanced}"
        f"Macro averages: {', '.join(f'{name} {quantities.percent(value)}' for name, value in means.items())}. "
        f"Expected calibration error {quantities.percent(test.calibration_error)}. {recipe[:1].upper()}{recipe[1:]}. "
        f"{quantities.amount(record.parameters)} parameters, {quantities.amount(record.multiply_adds)} MACs, "
        f"{'trained elsewhere' if record.imported else f'trained in {quantities.duration(record.seconds)}'}."
    )


def _spans(history: Iterable[Epoch]) -> list[View]:
    spans: list[View] = []
    for row in history:
        if spans and spans[-1]["name"] == row.phase:
            spans[-1]["last"] = row.epoch
        else:
            spans.append({"name": row.phase, "first": row.epoch, "last": row.epoch})
    return spans


def _confusions(classes: ClassReport, most: int = 20) -> list[str]:
    """The most frequent confusions in words, for data with too many classes for a matrix."""
    pairs = [
        (count, r, c) for r, row in enumerate(classes.confusion) for c, count in enumerate(row) if r != c and count > 0
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [f"{classes.labels[r]} classified as {classes.labels[c]}: {count:,}" for count, r, c in pairs[:most]]
