"""A picture of what quantizing each layer alone does to a network's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_cifar.report import canvas, palette

_MOST = 40


def picture(by_format: Mapping[str, Sequence[tuple[str, float | None]]], path: Path) -> None:
    """Draw a bar a layer, one panel a format, the worst layers on top.

    Args:
        by_format: for each format its layers with their signal-to-noise ratios in decibels, the worst first;
            the first 40 are drawn. None stands for a layer with which there are no answers at all.
        path: where to write; its suffix is ``.png`` or ``.svg``.

    Raises:
        MissingPackage: Matplotlib is not installed.
    """
    most = min(_MOST, max(len(layers) for layers in by_format.values()))
    figure = canvas.new_figure(5 * len(by_format), 1.2 + 0.2 * most)
    panels = figure.subplots(1, len(by_format), squeeze=False)[0]
    for (format_, layers), axes in zip(by_format.items(), panels, strict=True):
        shown = layers[:_MOST]
        canvas.plain(axes)
        names = [name if decibels is not None else f"{name} (no answers)" for name, decibels in shown]
        axes.barh(names, [decibels or 0.0 for _, decibels in shown], color=palette.BLUE)
        axes.invert_yaxis()
        axes.set_title(f"{format_}, one layer in int8 at a time", fontsize=10)
        axes.set_xlabel("signal to noise of the answers, dB (short bars hurt)")
        axes.tick_params(axis="y", labelsize=7)
    canvas.save(figure, path)
