"""``edge-cifar predict``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_cifar.cli.output import StreamedTable, Terminal, emit_json
from edge_cifar.errors import DataError

if TYPE_CHECKING:
    from edge_cifar.classifier import Prediction
    from edge_cifar.steps.predict import Stream

_REASONS_AT_MOST = 10
# Longer labels stand out of their column: a data set's longest may have a hundred letters.
_LABEL_WIDTH = 40


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path))
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
def command(
    model: Path, images: tuple[Path, ...], others: tuple[Path, ...], top: int, threshold: float, as_json: bool
) -> None:
    """Classify images with one or several models.

    MODEL is a model file, a bundle or a run. IMAGE is an image of any size, a folder of images, or - for
    standard input. Images are rotated upright, center-cropped and resized to the model's input. An
    unreadable image costs its own answer only, and the exit status is 1. For a model file made elsewhere
    that does not state its input range, the assumed range is printed.

    \b
    Examples:
      edge-cifar predict runs/mobilenetv2 cat.jpg
      edge-cifar predict export/tflite-int8.tflite holidays/ --top 1 --threshold 0.5
      edge-cifar predict export/tflite-fp32.tflite --model export/tflite-int8.tflite cat.jpg
      curl -s https://example.org/cat.jpg | edge-cifar predict runs/mobilenetv2 -
    """
    from edge_cifar.steps.predict import predict_each

    progress = Terminal()
    stream = predict_each([model, *others], images, top=top, threshold=threshold, progress=progress)
    if as_json:
        predictions = list(stream)
        emit_json({"results": [prediction.document() for prediction in predictions]})
    else:
        predictions = _printed(stream)
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
    images: dict[str, dict[Path, None]] = {}
    for prediction in predictions:
        if prediction.preparation:
            images.setdefault(prediction.preparation, {})[prediction.image] = None
    for preparation, done in images.items():
        yield f"{next(iter(done)) if len(done) == 1 else f'{len(done)} images'}: {preparation}"


def _printed(stream: Stream) -> list[Prediction]:
    """Print answers as they come, a line a picture and rank; several models side by side, each with two columns."""
    predictions: list[Prediction] = []
    table: StreamedTable | None = None
    # As many at once as stand in one line: one of each model.
    for side_by_side in zip(*[iter(stream)] * stream.models, strict=True):
        predictions += side_by_side
        if table is None:
            table = _table(stream, side_by_side)
        image = str(side_by_side[0].image)
        if side_by_side[0].error:
            table.emit([image, *("unreadable", "") * stream.models])
        for rank in range(max(len(prediction.answers) for prediction in side_by_side)):
            cells = [cell for prediction in side_by_side for cell in _cells(prediction, rank)]
            table.emit([image if rank == 0 else "", *cells])
    return predictions


def _table(stream: Stream, first: Sequence[Prediction]) -> StreamedTable:
    names = [prediction.name for prediction in first]
    if len(set(names)) < len(names):
        names = [str(prediction.model) for prediction in first]
    headers = ["label", "probability"] if len(names) == 1 else [cell for name in names for cell in (name, "")]
    label = min(max(map(len, stream.labels)), _LABEL_WIDTH)
    image = max((len(str(path)) for path in stream.images), default=0)
    return StreamedTable(["image", *headers], [image, *(label, len("100.0%")) * len(names)])


def _cells(prediction: Prediction, rank: int) -> tuple[str, str]:
    if rank >= len(prediction.answers):
        return "", ""
    label, probability = prediction.answers[rank]
    return (f"unsure: {label}?" if rank == 0 and prediction.unsure else label), f"{probability:.1%}"
