"""Matplotlib without its global state: figures rendered by Agg, written atomically and reproducibly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_cifar import packages
from edge_cifar.report import palette
from edge_cifar.storage import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Without metadata that changes between runs, equal figures are equal files.
_METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of the given size in inches.

    ``pyplot`` is not used: it keeps figures alive, picks a backend by the environment and is not thread-safe. A plain
    Figure is rendered by Agg on every machine, with or without a display.

    Raises:
        MissingPackage: Matplotlib is not installed.
    """
    module = packages.require("matplotlib.figure", "report")
    figure: Figure = module.Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    return figure


def save(figure: Figure, path: Path, description: str | None = None) -> None:
    """Write the figure atomically as PNG or SVG, by the path's suffix.

    Args:
        figure: the figure to write.
        path: a ``.png`` or ``.svg``.
        description: stored in the file's metadata.
    """
    matplotlib = packages.require("matplotlib", "report")
    suffix = path.suffix.lower()
    # A fixed salt makes the ids inside an SVG the same in every process.
    with (
        matplotlib.rc_context({"svg.hashsalt": "edge-cifar", "svg.fonttype": "path"}),
        files.atomic_write(path) as whole,
    ):
        figure.savefig(whole, format=suffix[1:], metadata={**_METADATA[suffix], "Description": description})


def plain(axes: Axes) -> None:
    """Reduce the frame to the left and bottom lines and a light horizontal grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.GREY)
    axes.tick_params(colors="#374151", labelsize=9)
    axes.grid(axis="y", color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
