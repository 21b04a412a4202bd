"""``edge-cifar verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_cifar.cli.completers import run_paths
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import data_set, model_options, table_options
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, next_step, status
from edge_cifar.documents import tables
from edge_cifar.errors import CheckFailed
from edge_cifar.storage import files
from edge_cifar.tables import Cell, Column, Table

if TYPE_CHECKING:
    from edge_cifar.documents.drift import Drift, LayerOutcome
    from edge_cifar.documents.verification import Verification


@click.command("verify")
@click.argument(
    "targets", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE|MODEL_FILE…]", shell_complete=run_paths
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of images to compare on.  [default: all]",
)
@click.option("--layers", is_flag=True, help="Also compare layer by layer and show where the outputs diverge.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the layer comparison as a PNG; implies --layers.",
)
@data_set("Model files: labelled images to compare on.", default=None)
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Directory of that data set.")
@click.option(
    "--precision",
    metavar="NAME",
    help="Model files: whose tolerance to meet, fp32, fp16 or int8.  [default: by their weights]",
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Also write a JUnit XML file, for CI.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@model_options()
@table_options(tables.VERIFY_COLUMNS)
def command(
    targets: tuple[Path, ...],
    images: int | None,
    layers: bool,
    plot: Path | None,
    junit: Path | None,
    as_json: bool,
    table_layout: Layout,
    **options: Any,
) -> None:
    """Verify the artifacts' predictions against the Keras model's.

    The target is a run, or a bundle wherever it was copied to; the default is the newest run under ./runs.
    The bundle contains test images with the Keras model's predictions, so neither TensorFlow nor the
    data set is needed. The exit status is 1 if an artifact fails. Several model files are compared with
    the first of them, on the labelled images of --data; those made elsewhere are described by the options
    from --input-range on or as FILE:range=-1,1.

    \b
    Examples:
      edge-cifar verify
      edge-cifar verify --layers --plot drift.png
      edge-cifar verify export/ --images 500 --junit parity.xml
      edge-cifar verify net.onnx net-int8.tflite --data photos/
    """
    from edge_cifar.parity import junit as junit_file
    from edge_cifar.steps.verify import report, verify

    if junit:
        files.demand_writable(junit)
    outcomes = verify(*targets, images=images, layers=layers, plot=plot, progress=Terminal(), **options)
    if junit:
        junit_file.write(junit, outcomes)
    if as_json:
        emit_json(report(outcomes).to_json())
    else:
        _print(outcomes, table_layout)
        _print_layers([outcome.layers for outcome in outcomes if outcome.layers], table_layout.further)
    failed = [outcome.name for outcome in outcomes if outcome.status == "fail"]
    if failed:
        reference = outcomes[0].reference
        what = f"files compared with {reference}" if reference else f"artifacts of {outcomes[0].model}"
        raise CheckFailed(f"{len(failed)} of {len(outcomes)} {what} failed: {', '.join(failed)}")
    passed = sum(outcome.status == "pass" for outcome in outcomes)
    if not passed:
        echo("nothing could be verified on this machine; edge-cifar doctor shows what is missing", err=True)
    elif not as_json:
        data = ["--data", options["data"]] if options["data"] else []
        next_step("bench", *targets, *data, err=table_layout.is_data)


def _print(outcomes: Sequence[Verification], table_layout: Layout) -> None:
    table = tables.of_verifications(outcomes)
    emit_table(table, table_layout)
    for note in table.notes:
        echo(note, err=table_layout.is_data)


def _print_layers(drifts: Sequence[Drift], table_layout: Layout) -> None:
    """The error of every layer in every artifact, and where each parts from the model."""
    shown = [drift for drift in drifts if drift.layers]
    if shown:
        echo()
        echo(
            f"error of each layer on {shown[0].images} images, relative to its standard deviation (–: fused "
            "into a later layer; !: more than the precision explains)",
            err=table_layout.is_data,
        )
        variants = [str(drift.variant) for drift in shown]
        # Text on the right, as figures are: some bear a mark.
        columns = (Column(name="layer", key=True), *(Column(name=name, figures="") for name in variants))
        rows = tuple(
            (names[0].name, *(_cell(layer) for layer in names))
            for names in zip(*(drift.layers for drift in shown), strict=True)
        )
        emit_table(Table(columns=columns, rows=rows), table_layout)
    for drift in drifts:
        if drift.refusal:
            echo(f"{drift.variant}: not compared layer by layer: {drift.refusal}", err=table_layout.is_data)
        elif place := drift.sentence():
            echo(f"{drift.variant}: {place}", err=table_layout.is_data)


def _cell(layer: LayerOutcome) -> Cell:
    if layer.error is None:
        return status("lost !", False) if layer.state == "lost" else None
    text = f"{layer.error:.1e}"
    return status(f"{text} !", False) if layer.state == "apart" else text
