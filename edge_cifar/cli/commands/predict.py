"""``edge-cifar predict``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_cifar.cli.completers import run_paths
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import model_options, table_options
from edge_cifar.cli.output import StreamedTable, Terminal, emit_json, status
from edge_cifar.errors import DataError
from edge_cifar.tables import Cell, Column, Row, Table
from edge_cifar.visible import visible

if TYPE_CHECKING:
    from edge_cifar.documents.prediction import Prediction
    from edge_cifar.steps.predict import Stream

_REASONS_AT_MOST = 10
_UNREADABLE = status("unreadable", False)


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path), shell_complete=run_paths)
@click.argument("images", metavar="IMAGE...", type=click.Path(path_type=Path, allow_dash=True), nargs=-1, required=True)
@click.option(
    "--model",
    "others",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    multiple=True,
    help="Another model to show side by side; repeatable.",
)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, metavar="K", help="Classes to show.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="P",
    help="Mark a prediction as unsure if its probability is below P, such as 0.5.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@model_options()
@table_options()
def command(
    model: Path,
    images: tuple[Path, ...],
    others: tuple[Path, ...],
    top: int,
    threshold: float,
    as_json: bool,
    table_layout: Layout,
    **told: Any,
) -> None:
    """Classify images with one or several models.

    MODEL is a model file, a bundle or a run. IMAGE is an image of any size, a folder of images, or - for
    standard input. Images are rotated upright, center-cropped and resized to the model's input. An
    unreadable image costs its own answer only, and the exit status is 1. A model file made elsewhere may
    not state what it takes: tell it by the options from --input-range on, or behind the file as in
    FILE:range=-1,1:channels=bgr. What is assumed is printed.

    \b
    Examples:
      edge-cifar predict runs/mobilenetv2 cat.jpg
      edge-cifar predict export/tflite-int8.tflite holidays/ --top 1 --threshold 0.5
      edge-cifar predict export/tflite-fp32.tflite --model export/tflite-int8.tflite cat.jpg
      edge-cifar predict net.onnx --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --labels names.txt cat.jpg
      curl -s https://example.org/cat.jpg | edge-cifar predict runs/mobilenetv2 -
    """
    from edge_cifar.steps.predict import predict_each

    progress = Terminal()
    stream = predict_each([model, *others], images, top=top, threshold=threshold, progress=progress, **told)
    if as_json:
        predictions = list(stream)
        emit_json({"results": [prediction.document() for prediction in predictions]})
    else:
        predictions = _printed(stream, table_layout, may_be_unsure=threshold > 0)
        for line in _preparations(predictions):
            progress.say(line)
    if errors := list(dict.fromkeys(prediction.error for prediction in predictions if prediction.error)):
        count = len(predictions) // stream.models
        raise DataError(f"{len(errors)} of {count} images could not be classified: {_listed(errors)}")


def _listed(errors: Sequence[str]) -> str:
    rest = len(errors) - _REASONS_AT_MOST
    return "; ".join(errors[:_REASONS_AT_MOST]) + (f"; and {rest} more" if rest > 0 else "")


def _preparations(predictions: Sequence[Prediction]) -> Iterator[str]:
    """What was done to the pictures and the answers; said once where it was done to several."""
    images: dict[str, dict[Path | int, None]] = {}
    for prediction in predictions:
        if prediction.preparation:
            images.setdefault(prediction.preparation, {})[prediction.image] = None
    for preparation, done in images.items():
        yield f"{next(iter(done)) if len(done) == 1 else f'{len(done)} images'}: {preparation}"


def _printed(stream: Stream, table_layout: Layout, *, may_be_unsure: bool) -> list[Prediction]:
    """Print answers as they come, a line a picture and rank; several models side by side, each with two columns."""
    predictions: list[Prediction] = []
    table: StreamedTable | None = None
    # As many at once as stand in one line: one of each model.
    for side_by_side in zip(*[iter(stream)] * stream.models, strict=True):
        predictions += side_by_side
        if table is None:
            table = StreamedTable(_expected(stream, side_by_side, may_be_unsure), table_layout)
        image = str(side_by_side[0].image)
        if side_by_side[0].error:
            table.emit((image, *(_UNREADABLE, None) * stream.models))
        for rank in range(max(len(prediction.answers) for prediction in side_by_side)):
            cells = [cell for prediction in side_by_side for cell in _cells(prediction, rank)]
            table.emit((image if rank == 0 or table_layout.is_data else "", *cells))
    if table:
        table.finish()
    return predictions


def _expected(stream: Stream, first: Sequence[Prediction], may_be_unsure: bool) -> Table:
    """The columns, and a row for each image with the longest label that there may be."""
    names = [prediction.name for prediction in first]
    if len(set(names)) < len(names):
        names = [str(prediction.model) for prediction in first]
    columns = [Column(name="image", key=True, folds=True)]
    for name in names:
        label, prefix, title = ("label", "", "") if len(names) == 1 else (name, f"{name} ", "p")
        columns.append(Column(name=label, folds=True))
        columns.append(Column(name=f"{prefix}probability", title=title, unit="%", figures=".1f"))
    labels = [_unsure(label) if may_be_unsure else visible(label) for label in stream.labels]
    label = max([*labels, _UNREADABLE], key=len)
    rows: list[Row] = [(str(path), *(label, 100.0) * len(names)) for path in stream.images]
    return Table(columns=tuple(columns), rows=tuple(rows))


def _cells(prediction: Prediction, rank: int) -> tuple[Cell, Cell]:
    if rank >= len(prediction.answers):
        return "", None
    label, probability = prediction.answers[rank]
    return _unsure(label) if rank == 0 and prediction.unsure else label, 100 * probability


def _unsure(label: str) -> str:
    return status(f"unsure: {visible(label)}?", None)
