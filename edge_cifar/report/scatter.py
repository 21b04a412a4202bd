"""The trade-off as a still picture: accuracy against latency and against size, with the Pareto front."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_cifar.evaluation.pareto import pareto_front
from edge_cifar.report import canvas, palette
from edge_cifar.report.measurements import Measurement, distinct

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cost = Callable[[Measurement], float | None]


def trade_off(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw the picture as SVG or PNG, by the path's suffix.

    Args:
        measurements: those without accuracy are left out, and batches. Points whose accuracy says
            nothing about the network stand hollow on a line of their own below the others.
        path: the file to write; its metadata hold :func:`digest`.
    """
    rows = [row for row in measurements if row.accuracy is not None and row.batch in (None, 1)]
    colours = palette.colours(row.model for row in rows)
    figure = canvas.new_figure(9.5, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, rows, colours, lambda row: row.median_ms, "median latency of one image, ms")
    _panel(right, rows, colours, lambda row: None if row.size_bytes is None else row.size_bytes / 1e6, "size, MB")
    left.set_ylabel("accuracy, %", fontsize=9)
    if any(row.caveat for row in rows):
        left.set_ylabel("accuracy, % (hollow: unknown)", fontsize=9)
    synthetic = " (synthetic data)" if any(row.synthetic for row in rows) else ""
    left.set_title("Accuracy against latency" + synthetic, fontsize=10, loc="left")
    right.set_title("Accuracy against size" + synthetic, fontsize=10, loc="left")
    handles = [_handle(left, name, colour, "o") for name, colour in colours.items()]
    for format_ in distinct(row.format for row in rows):
        handles.append(_handle(left, format_, palette.GREY, palette.matplotlib_marker(format_)))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=max(1, min(5, len(handles))), frameon=False, fontsize=8.5
    )
    canvas.save(figure, path, digest(measurements))


def digest(measurements: Sequence[Measurement]) -> str:
    """A checksum of what the picture shows, to tell whether one on disk is of these figures.

    The drawing itself cannot be compared: it differs with Matplotlib's version.
    """
    shown = [
        [row.model, row.variant, row.format, row.accuracy, row.median_ms, row.size_bytes, row.synthetic]
        + ([row.caveat] if row.caveat else [])
        for row in measurements
        if row.accuracy is not None
    ]
    return "figures sha256 " + hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def _panel(axes: Axes, rows: Sequence[Measurement], colours: dict[str, str], cost: Cost, label: str) -> None:
    points = [(value, row) for row in rows if (value := cost(row)) is not None and value > 0]
    canvas.plain(axes)
    axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.22, y=0.1)
    axes.set_xlabel(label + " (logarithmic)", fontsize=9)
    if not points:
        return
    costs = [[value, -_accuracy(row)] if row.ranked else [np.nan, np.nan] for value, row in points]
    front = pareto_front(np.array(costs))
    winners = sorted((value, _accuracy(row)) for (value, row), best in zip(points, front, strict=True) if best)
    if winners:
        axes.step(
            *zip(*winners, strict=True), where="post", color=palette.GREY, linewidth=1.2, linestyle="--", zorder=1
        )
    floor = _floor(rows)
    for (value, row), best in zip(points, front, strict=True):
        accuracy, colour = floor if row.caveat else _accuracy(row), colours[row.model]
        if row.low is not None and row.high is not None and not row.caveat:
            axes.vlines(value, 100 * row.low, 100 * row.high, color=colour, linewidth=0.9, alpha=0.6)
        axes.plot(
            value,
            accuracy,
            marker=palette.matplotlib_marker(row.format),
            markersize=8 if best else 5.5,
            color=colour,
            # Hollow where the accuracy says nothing about the network.
            markerfacecolor="none" if row.caveat else colour,
            markeredgecolor=colour if row.caveat else "white",
            markeredgewidth=0.6,
            linestyle="none",
        )
    _name_some(axes, [(value, row) for (value, row), best in zip(points, front, strict=True) if best])


def _floor(rows: Sequence[Measurement]) -> float:
    """Where points stand whose accuracy says nothing: below those that count, out of their way."""
    counted = [_accuracy(row) for row in rows if not row.caveat]
    if not counted:
        return 0.0
    return min(counted) - max(2.0, 0.15 * (max(counted) - min(counted)))


def _name_some(axes: Axes, winners: list[tuple[float, Measurement]]) -> None:
    """Write the variant beside the front's points, where it stays clear of one written before."""
    written: list[tuple[float, float]] = []
    axes.autoscale_view()
    for value, row in sorted(winners, key=lambda winner: (winner[0], -_accuracy(winner[1]))):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((value, _accuracy(row))))
        if all(abs(x - other_x) > 0.3 or abs(y - other_y) > 0.08 for other_x, other_y in written):
            written.append((x, y))
            # Towards the middle from a point at the left edge, so that long names stay inside.
            at_the_edge = x < 0.3
            axes.annotate(
                row.variant or row.model,
                (value, _accuracy(row)),
                xytext=(7, -9) if at_the_edge else (-5, 5),
                textcoords="offset points",
                ha="left" if at_the_edge else "right",
                fontsize=7.5,
                parse_math=False,
            )


def _handle(axes: Axes, label: str, colour: str, marker: str) -> object:
    (line,) = axes.plot([], [], marker=marker, color=colour, linestyle="none", markersize=7, label=label)
    return line


def _accuracy(row: Measurement) -> float:
    assert row.accuracy is not None
    return 100.0 * row.accuracy
