"""``edge-cifar predict``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_cifar.cli._output import Terminal, emit_json, emit_table


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, metavar="K", help="Classes to tell.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: Path, images: tuple[Path, ...], top: int, as_json: bool) -> None:
    """Tell what MODEL sees in each IMAGE: labels and probabilities.

    MODEL is an exported file, a bundle or a run. Pictures of any size are turned upright, cropped
    about their centre and resized to the model's input.

    \b
    Examples:
      edge-cifar predict runs/mobilenetv2 cat.jpg
      edge-cifar predict export/tflite-int8.tflite *.png --top 1
    """
    from edge_cifar.steps.predict import predict

    progress = Terminal()
    predictions = predict(model, images, top=top, progress=progress)
    if as_json:
        emit_json({"results": [prediction.document() for prediction in predictions]})
        return
    for prediction in predictions:
        if prediction.preparation:
            progress.say(f"{prediction.image}: {prediction.preparation}")
    emit_table(
        ["image", "label", "probability"],
        [
            [str(prediction.image) if rank == 0 else "", label, f"{probability:.1%}"]
            for prediction in predictions
            for rank, (label, probability) in enumerate(prediction.answers)
        ],
    )
