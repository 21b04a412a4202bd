"""Which measurements the charts plot, and their Pareto fronts: one for each machine and test set.

Artifacts measured on different machines or test images are not comparable, so they never share a front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_cifar.report.measurements import Measurement, distinct

Ground = tuple[object, ...]

# Line styles: (in words, in Plotly, in Matplotlib).
_DASHES = (
    ("dashed", "dash", (0, (4, 2))),
    ("dotted", "dot", (0, (1, 2))),
    ("dash-dotted", "dashdot", (0, (5, 2, 1, 2))),
    ("long-dashed", "longdash", (0, (9, 3))),
    ("long-dash-dotted", "longdashdot", (0, (9, 3, 1, 3))),
)


@dataclass(frozen=True)
class Front:
    """One line of a chart.

    Attributes:
        name: the machine and the test images.
        words: the line style in words; styles repeat after five fronts.
        plotly: Plotly's name of the style.
        matplotlib: Matplotlib's dash pattern.
    """

    name: str
    words: str
    plotly: str
    matplotlib: tuple[int, tuple[int, ...]]


def drawn(row: Measurement) -> bool:
    """Whether the charts plot a row: it has a meaningful accuracy and was not measured in batches."""
    return row.result.accuracy is not None and row.ranked


def ground(row: Measurement) -> Ground:
    """What rows must have in common to be compared."""
    return row.machine, row.test_set


def fronts(rows: Sequence[Measurement]) -> dict[Ground, Front]:
    """The fronts of the plotted rows, in order of first appearance."""
    firsts: dict[Ground, Measurement] = {}
    for row in filter(drawn, rows):
        firsts.setdefault(ground(row), row)
    names = [_name(row) for row in firsts.values()]
    shared = Counter(names)
    return {
        place: Front(name if shared[name] == 1 else f"{name}, set {number + 1}", *_DASHES[number % len(_DASHES)])
        for number, (place, name) in enumerate(zip(firsts, names, strict=True))
    }


def undrawn(rows: Sequence[Measurement]) -> str | None:
    """A sentence on the rows that the charts omit for their accuracy, and why; None if there are none."""
    left = [row for row in rows if row.result.caveat and row.result.accuracy is not None]
    if not left:
        return None
    told = [
        f"{sum(row.result.caveat == caveat for row in left)} rows of "
        f"{', '.join(distinct(row.model for row in left if row.result.caveat == caveat))} ({caveat})"
        for caveat in distinct(row.result.caveat for row in left)
    ]
    return f"Not plotted, as their accuracy is meaningless: {'; '.join(told)}."


def _name(row: Measurement) -> str:
    accuracy, data = row.result.accuracy, row.result.data
    images = f"{accuracy.images:,} images" if accuracy else "images"
    return f"{row.machine}, {images} of {data.name if data else 'unnamed data'}"
