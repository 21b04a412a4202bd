"""A picture of how artifacts drift from the Keras model with depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_cifar import formats, packages
from edge_cifar.documents.drift import Drift
from edge_cifar.storage import files

# One colour a format, one line style a precision.
_OTHER_COLOUR = "#6B7280"
_STYLES = ("-", "--", "-.", ":", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 3)))
_SMALLEST = 1e-8
_MOST_NAMES = 40


def draw(drifts: Sequence[Drift], path: Path) -> None:
    """Write a PNG: the error of each layer, by depth, a line an artifact.

    Args:
        drifts: of one bundle; those without layers are left out.
        path: the file; it appears whole.

    Raises:
        MissingPackage: Matplotlib is not installed.
        EdgeCifarError: the file cannot be written.
    """
    matplotlib = packages.require("matplotlib.figure", "report")
    drawn = [drift for drift in drifts if drift.layers]
    figure = matplotlib.Figure(figsize=(12, 6), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    seen: dict[str, int] = {}
    for drift in drawn:
        format_ = formats.find(drift.variant.format)
        number = seen.setdefault(drift.variant.precision, len(seen))
        points = [(x, layer.error) for x, layer in enumerate(drift.layers) if layer.error is not None]
        axes.plot(
            [x for x, _ in points],
            [max(error, _SMALLEST) for _, error in points],
            color=format_.colour if format_ else _OTHER_COLOUR,
            linestyle=_STYLES[number % len(_STYLES)],
            marker=".",
            markersize=3,
            linewidth=1.2,
            label=str(drift.variant),
        )
        apart = [(x, error) for x, error in points if error > drift.tolerance]
        axes.plot(*zip(*apart, strict=True) if apart else ((), ()), "x", color="#111827", markersize=6)
    axes.set_yscale("log")
    axes.set_ylabel("RMS error / standard deviation of the layer")
    axes.set_xlabel("layer of the Keras model (crosses: more error than the precision explains)")
    if drawn:
        names = [layer.name for layer in drawn[0].layers]
        shown = range(0, len(names), 1 + len(names) // _MOST_NAMES)
        axes.set_xticks(list(shown), [names[number] for number in shown], rotation=90, fontsize=7)
        figure.legend(fontsize=8, loc="outside right upper")
    axes.grid(axis="y", color="#E5E7EB")
    axes.set_axisbelow(True)
    with files.atomic_write(path) as whole:
        figure.savefig(whole, format="png", metadata={"Software": None})
