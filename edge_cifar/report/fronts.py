"""Which measurements the charts draw, and the Pareto fronts among them: one for each machine and test set.

A front over two machines, or over accuracies measured on different images, would say that one artifact beats
another where nobody held them against each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_cifar.report.measurements import Measurement, distinct

Ground = tuple[object, ...]

# How the lines are told apart: (in words, as Plotly and as Matplotlib call it).
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
        name: the machine, and the images that accuracy was measured on.
        words: how the line is drawn, in words; more than five fronts share some.
        plotly: the same as Plotly calls it.
        matplotlib: as Matplotlib does.
    """

    name: str
    words: str
    plotly: str
    matplotlib: tuple[int, tuple[int, ...]]


def drawn(row: Measurement) -> bool:
    """Whether a row is a point of the charts: a batch's figures are no image's, and no accuracy is made up."""
    return row.accuracy is not None and row.ranked


def ground(row: Measurement) -> Ground:
    """What rows must share to be held against each other."""
    return row.machine, row.test_set


def fronts(rows: Sequence[Measurement]) -> dict[Ground, Front]:
    """The fronts of the rows that are drawn, in order of first appearance."""
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
    """Which measured rows the charts leave out for their accuracy, and why, as a sentence; None for none."""
    left = [row for row in rows if row.caveat and row.accuracy is not None]
    if not left:
        return None
    told = [
        f"{sum(row.caveat == caveat for row in left)} of "
        f"{', '.join(distinct(row.model for row in left if row.caveat == caveat))} ({caveat})"
        for caveat in distinct(row.caveat for row in left)
    ]
    return f"Not drawn, as their accuracy says nothing about the network: {'; '.join(told)}."


def _name(row: Measurement) -> str:
    images = f"{row.images:,} images" if row.images else "images"
    return f"{row.machine}, {images} of {row.data.name if row.data else 'data that is not named'}"
