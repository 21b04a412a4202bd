"""A figure of how much quantizing each layer alone changes a network's output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_cifar.report import canvas, palette

_MOST = 40


def picture(by_format: Mapping[str, Sequence[tuple[str, float | None]]], path: Path) -> None:
    """Draw one bar per layer and one panel per format, the worst layers on top.

    Args:
        by_format: for each format, its layers with their signal-to-noise ratios in decibels, the worst first;
            the first 40 are drawn. None means no output when this layer is quantized.
        path: the ``.png`` or ``.svg`` to write.

    Raises:
        MissingPackage: Matplotlib is not installed.
    """
    most = min(_MOST, max(len(layers) for layers in by_format.values()))
    figure = canvas.new_figure(5 * len(by_format), 1.2 + 0.2 * most)
    panels = figure.subplots(1, len(by_format), squeeze=False)[0]
    for (format_, layers), axes in zip(by_format.items(), panels, strict=True):
        shown = layers[:_MOST]
        canvas.plain(axes)
        names = [name if decibels is not None else f"{name} (no output)" for name, decibels in shown]
        axes.barh(names, [decibels or 0.0 for _, decibels in shown], color=palette.BLUE)
        axes.invert_yaxis()
        axes.set_title(f"{format_}: one layer at a time quantized to int8", fontsize=10)
        axes.set_xlabel("SQNR of the output, dB (lower is worse)")
        axes.tick_params(axis="y", labelsize=7)
    canvas.save(figure, path)
