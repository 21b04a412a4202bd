"""Figures of a run: training curves, confusion matrix, most confident errors, and samples of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.data.mapped_images import Images
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.documents.training_history import Epoch
from edge_cifar.report import canvas, palette, sheets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY_CLASSES = 20
_MISTAKES = 24


def curves(record: RunRecord, path: Path) -> None:
    """Accuracy, loss and learning rate by epoch, with lines between phases.

    Args:
        record: the run's. Values missing from its history (None) leave a gap.
        path: the PNG to write.
    """
    history = record.history
    epochs = [row.epoch for row in history]
    figure = canvas.new_figure(7.5, 7.0)
    accuracy, loss, rate = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [4, 3, 1.6]})
    reached = _column([row.val_accuracy for row in history], 100.0)
    _pair(accuracy, epochs, _column([row.accuracy for row in history], 100.0), reached, "accuracy, %")
    losses = (_column([row.loss for row in history]), _column([row.val_loss for row in history]))
    _pair(loss, epochs, *losses, "loss")
    _mark_best(accuracy, epochs, reached)
    edges = [epoch - 0.5 for epoch in epochs] + [epochs[-1] + 0.5]
    rates = _column([row.learning_rate for row in history])
    rate.stairs(rates, edges, baseline=None, color=palette.GREY, linewidth=1.6)
    _label(rate, "learning rate")
    rate.set_xlabel("epoch")
    rate.set_xlim(edges[0], edges[-1])
    rate.set_ylim(bottom=0.0)
    rate.set_xticks(_whole_ticks(epochs))
    for axes in (accuracy, loss, rate):
        canvas.plain(axes)
    _mark_phases((accuracy, loss, rate), history)
    accuracy.legend(loc="lower right", frameon=False, fontsize=9)
    figure.suptitle(_title(record), fontsize=11, x=0.02, ha="left", parse_math=False)
    canvas.save(figure, path)


def confusion(matrix: NDArray[np.int64] | Sequence[Sequence[int]], labels: Sequence[str], path: Path) -> None:
    """The confusion matrix, in percent of each true class.

    The diagonal and the errors have separate color scales: on a common one, the errors of a good network would all
    be white.

    Args:
        matrix: integers ``[C, C]``; rows are true classes, columns predicted ones.
        labels: the C class names.
        path: the PNG to write.
    """
    counts = np.asarray(matrix, np.float64)
    share = 100.0 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    diagonal = np.eye(len(labels), dtype=bool)
    side = min(10.0, 2.4 + 0.52 * len(labels))
    figure = canvas.new_figure(side, side)
    axes = figure.subplots()
    errors = share[~diagonal]
    worst = max(float(errors.max()) if errors.size else 0.0, 1.0)
    axes.imshow(np.ma.masked_array(share, ~diagonal), cmap="Blues", vmin=0.0, vmax=130.0)
    axes.imshow(np.ma.masked_array(share, diagonal), cmap="Oranges", vmin=0.0, vmax=1.3 * worst)
    if len(labels) <= _MANY_CLASSES:
        _write_shares(axes, share, worst)
    size = 9 if len(labels) <= _MANY_CLASSES else 4
    axes.set_xticks(
        range(len(labels)),
        labels,
        rotation=90 if len(labels) > _MANY_CLASSES else 45,
        ha="right",
        rotation_mode="anchor",
        fontsize=size,
    )
    axes.set_yticks(range(len(labels)), labels, fontsize=size)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)  # class names come from users: "$" is a dollar sign
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"% of each true class, {int(counts.sum()):,} images", fontsize=10, loc="left")
    canvas.save(figure, path)


def mistakes(
    images: Images,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    names: Sequence[str],
    path: Path,
) -> None:
    """The most confident errors, worst first.

    Args:
        images: uint8 ``[N, H, W, 3]``.
        labels: true classes ``[N]``.
        probabilities: ``[N, C]``.
        names: the C class names.
        path: the PNG to write.
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    # A stable sort breaks ties by position, which makes the figure reproducible.
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
    captions = [(names[labels[i]], f"→ {names[predicted[i]]}, {100.0 * confidence[i]:.0f} %") for i in worst]
    title = f"{len(wrong):,} of {len(labels):,} images misclassified; the {len(worst)} most confident errors"
    if not len(wrong):
        title = f"none of {len(labels):,} images misclassified"
    sheets.captioned(images[worst], captions, title, path)


def samples(split: Split, names: Sequence[str], path: Path) -> None:
    """The first images of each class, with the number of images in it.

    Args:
        split: images and labels.
        names: class names.
        path: the PNG to write.
    """
    sheets.by_class(split, names, path)


def _column(values: Sequence[float | None], scale: float = 1.0) -> list[float]:
    return [math.nan if value is None else scale * value for value in values]


def _pair(axes: Axes, epochs: Sequence[int], train: Sequence[float], validation: Sequence[float], label: str) -> None:
    # A single epoch is a point, not a line: use markers as long as there are few.
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(epochs, train, color=palette.BLUE, linestyle="--", marker=marker, markersize=3, label="training")
    axes.plot(epochs, validation, color=palette.ORANGE, marker=marker, markersize=3, linewidth=1.8, label="validation")
    _label(axes, label)


def _whole_ticks(epochs: Sequence[int]) -> list[int]:
    """About ten round epoch numbers, and always the last."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if len(epochs) <= 12 * step)
    return sorted({epoch for epoch in epochs if epoch % step == 0} | {epochs[-1]})


def _label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, fontsize=9)


def _mark_best(axes: Axes, epochs: Sequence[int], validation: Sequence[float]) -> None:
    if all(math.isnan(value) for value in validation):
        return
    best = int(np.nanargmax(validation))
    axes.plot(
        epochs[best],
        validation[best],
        marker="o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor=palette.ORANGE,
        linestyle="none",
        label=f"best: {validation[best]:.1f} %",
    )


def _mark_phases(panels: Sequence[Axes], history: Sequence[Epoch]) -> None:
    """Lines between phases on every panel, and their names above the first."""
    spans: list[tuple[str, float, float]] = []
    for row in history:
        name, epoch = row.phase, float(row.epoch)
        if spans and spans[-1][0] == name:
            spans[-1] = (name, spans[-1][1], epoch)
        else:
            spans.append((name, epoch, epoch))
    for _, first, _ in spans[1:]:
        for axes in panels:
            axes.axvline(first - 0.5, color=palette.GREY, linewidth=1.0, linestyle=":")
    for name, first, last in spans:
        panels[0].text(
            (first + last) / 2,
            1.02,
            name,
            transform=panels[0].get_xaxis_transform(),
            ha="center",
            fontsize=9,
            color="#374151",
            parse_math=False,
        )


def _title(record: RunRecord) -> str:
    data, test = record.data, record.test
    images = f"{test.images:,} {'synthetic ' if data.synthetic else ''}test images"
    return f"{record.backbone} on {data.name}: top-1 {100.0 * test.top1:.2f} % on {images}"


def _write_shares(axes: Axes, share: NDArray[np.float64], worst: float) -> None:
    for row, column in np.ndindex(share.shape):
        value = share[row, column]
        if value < 0.05:
            continue
        dark = value > 75.0 if row == column else value > 0.75 * worst
        axes.text(
            column,
            row,
            f"{value:.1f}" if value < 99.95 else "100",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "#111827",
        )
