"""The trade-off as a static figure: accuracy vs. latency and vs. size, with the Pareto fronts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_cifar.evaluation.pareto import pareto_fronts
from edge_cifar.report import canvas, fronts, palette
from edge_cifar.report.measurements import Measurement, distinct

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cost = Callable[[Measurement], float | None]


def trade_off(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw the figure as SVG or PNG, by the path's suffix.

    Args:
        measurements: those without an accuracy and those of batches are omitted; the figure states how many it
            omits because their accuracy is meaningless.
        path: the file to write; its metadata contains :func:`digest`.
    """
    rows = [row for row in measurements if fronts.drawn(row)]
    lines = fronts.fronts(rows)
    colours = palette.colours(row.model for row in rows)
    figure = canvas.new_figure(9.5, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, rows, colours, lambda row: row.median_ms, "latency p50, ms")
    _panel(right, rows, colours, _megabytes, "size, MB")
    left.set_ylabel("top-1 accuracy, %", fontsize=9)
    synthetic = " (synthetic data)" if any(row.synthetic for row in rows) else ""
    left.set_title("Accuracy vs. latency" + synthetic, fontsize=10, loc="left")
    right.set_title("Accuracy vs. size" + synthetic, fontsize=10, loc="left")
    handles = [_handle(left, name, colour, marker="o") for name, colour in colours.items()]
    for format_ in distinct(row.format for row in rows):
        handles.append(_handle(left, format_, palette.GREY, marker=palette.matplotlib_marker(format_)))
    if len(lines) > 1:
        handles += [_handle(left, front.name, palette.GREY, linestyle=front.matplotlib) for front in lines.values()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=max(1, min(5, len(handles))), frameon=False, fontsize=8.5
    )
    if left_out := fronts.undrawn(measurements):
        figure.suptitle(left_out, fontsize=8, color=palette.GREY, x=0.01, ha="left", parse_math=False)
    canvas.save(figure, path, digest(measurements))


def digest(measurements: Sequence[Measurement]) -> str:
    """A checksum of the plotted data, to check whether a file on disk is up to date.

    The file itself cannot be compared: it differs with Matplotlib's version.
    """
    rows = [row for row in measurements if fronts.drawn(row)]
    numbers = {ground: number for number, ground in enumerate(fronts.fronts(rows))}
    shown = [
        [
            *(row.model, row.variant, row.format, accuracy.top1, accuracy.low, accuracy.high),
            *(row.median_ms, _size(row), row.synthetic, numbers[fronts.ground(row)]),
        ]
        for row in rows
        if (accuracy := row.result.accuracy)
    ]
    told = json.dumps([shown, fronts.undrawn(measurements)])
    return "figures sha256 " + hashlib.sha256(told.encode()).hexdigest()


def _panel(axes: Axes, rows: Sequence[Measurement], colours: dict[str, str], cost: Cost, label: str) -> None:
    points = [(value, row) for row in rows if (value := cost(row)) is not None and value > 0]
    canvas.plain(axes)
    axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.22, y=0.1)
    axes.set_xlabel(label + " (log scale)", fontsize=9)
    if not points:
        return
    costs = np.array([[value, -_accuracy(row)] for value, row in points])
    on_front = pareto_fronts(costs, [fronts.ground(row) for _, row in points])
    winners = [point for point, best in zip(points, on_front, strict=True) if best]
    for ground, front in fronts.fronts(rows).items():
        joined = sorted((value, _accuracy(row)) for value, row in winners if fronts.ground(row) == ground)
        if joined:
            (line,) = axes.step(*zip(*joined, strict=True), where="post", color=palette.GREY, linewidth=1.2, zorder=1)
            line.set_linestyle(front.matplotlib)
    for (value, row), best in zip(points, on_front, strict=True):
        if accuracy := row.result.accuracy:
            ends = (100 * accuracy.low, 100 * accuracy.high)
            axes.vlines(value, *ends, color=colours[row.model], linewidth=0.9, alpha=0.6)
        axes.plot(
            value,
            _accuracy(row),
            marker=palette.matplotlib_marker(row.format),
            markersize=8 if best else 5.5,
            color=colours[row.model],
            markeredgecolor="white",
            markeredgewidth=0.6,
            linestyle="none",
        )
    _name_some(axes, winners)


def _name_some(axes: Axes, winners: list[tuple[float, Measurement]]) -> None:
    """Label the points of the front with their variants, except where labels would overlap."""
    written: list[tuple[float, float]] = []
    axes.autoscale_view()
    for value, row in sorted(winners, key=lambda winner: (winner[0], -_accuracy(winner[1]))):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((value, _accuracy(row))))
        if all(abs(x - other_x) > 0.3 or abs(y - other_y) > 0.08 for other_x, other_y in written):
            written.append((x, y))
            # To the right of a point at the left edge, to keep long names inside the panel.
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


def _handle(axes: Axes, label: str, colour: str, **style: Any) -> object:
    (line,) = axes.plot([], [], color=colour, markersize=7, label=label, **{"linestyle": "none", **style})
    return line


def _accuracy(row: Measurement) -> float:
    assert row.result.accuracy is not None
    return 100.0 * row.result.accuracy.top1


def _size(row: Measurement) -> float | None:
    # As a float, since it was one when the digests of existing figures were made.
    return None if row.result.size_bytes is None else float(row.result.size_bytes)


def _megabytes(row: Measurement) -> float | None:
    return None if row.result.size_bytes is None else row.result.size_bytes / 1e6
