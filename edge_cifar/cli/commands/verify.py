"""``edge-cifar verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, status
from edge_cifar.command_line import command_line
from edge_cifar.errors import CheckFailed
from edge_cifar.storage import files

if TYPE_CHECKING:
    from edge_cifar.documents.verify_report import Drift, LayerOutcome, Verification

_GOOD = {"pass": True, "fail": False, "unverified": None}


@click.command("verify")
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE]")
@click.option(
    "--images",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of images to compare on.  [default: all in the bundle]",
)
@click.option("--layers", is_flag=True, help="Also compare layer by layer and show where the outputs diverge.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the layer comparison as a PNG; implies --layers.",
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Also write a JUnit XML file, for CI.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    target: Path | None, images: int | None, layers: bool, plot: Path | None, junit: Path | None, as_json: bool
) -> None:
    """Verify the artifacts' predictions against the Keras model's.

    TARGET is a run, or a bundle wherever it was copied to; the default is the newest run under ./runs.
    The bundle contains test images with the Keras model's predictions, so neither TensorFlow nor the
    data set is needed. The exit status is 1 if an artifact fails.

    \b
    Examples:
      edge-cifar verify
      edge-cifar verify --layers --plot drift.png
      edge-cifar verify export/ --images 500 --junit parity.xml
    """
    from edge_cifar.parity import junit as junit_file
    from edge_cifar.steps.verify import report, verify

    if junit:
        files.demand_writable(junit)
    outcomes = verify(target, images=images, layers=layers, plot=plot, progress=Terminal())
    if junit:
        junit_file.write(junit, outcomes)
    if as_json:
        emit_json(report(outcomes).to_json())
    else:
        _print(outcomes)
        _print_layers([outcome.layers for outcome in outcomes if outcome.layers])
    failed = [str(outcome.variant) for outcome in outcomes if outcome.status == "fail"]
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(outcomes)} artifacts of {outcomes[0].model} failed: {', '.join(failed)}"
        )
    passed = sum(outcome.status == "pass" for outcome in outcomes)
    if not passed:
        echo("nothing could be verified on this machine; edge-cifar doctor shows what is missing", err=True)
    elif not as_json:
        echo(f"next: {command_line('bench', *([target] if target else []))}")


def _print(outcomes: Sequence[Verification]) -> None:
    headers = ("variant", "method", "images", "max diff", "agreement", "Keras top-1", "top-1", "status")
    emit_table(headers, [_row(outcome) for outcome in outcomes])
    for outcome in outcomes:
        if outcome.reason:
            echo(f"{outcome.variant}: {outcome.reason}")
    if any(outcome.status == "pass" and outcome.method == "coreml-reference" for outcome in outcomes):
        echo("coreml-reference is this tool's own evaluator of Core ML programs; Apple's kernels run only on a Mac.")


def _print_layers(drifts: Sequence[Drift]) -> None:
    """The error of every layer in every artifact, and where each parts from the model."""
    shown = [drift for drift in drifts if drift.layers]
    if shown:
        rows = [
            (names[0].name, *(_cell(layer) for layer in names))
            for names in zip(*(drift.layers for drift in shown), strict=True)
        ]
        echo(
            f"\nerror of each layer on {shown[0].images} images, relative to its standard deviation (-: fused "
            "into a later layer; !: more than the precision explains)"
        )
        emit_table(("layer", *(str(drift.variant) for drift in shown)), rows)
    for drift in drifts:
        if drift.refusal:
            echo(f"{drift.variant}: not compared layer by layer: {drift.refusal}")
        elif place := drift.sentence():
            echo(f"{drift.variant}: {place}")


def _cell(layer: LayerOutcome) -> str | None:
    if layer.error is None:
        return "lost !" if layer.state == "lost" else None
    return f"{layer.error:.1e}{' !' if layer.state == 'apart' else ''}"


def _row(outcome: Verification) -> tuple[str | None, ...]:
    figures: tuple[str | None, ...] = (None,) * 4
    if found := outcome.figures:
        figures = (
            f"{found.max_abs_diff:.1e}",
            f"{found.top1_agreement:.2%}",
            f"{found.reference_accuracy.top1:.2%}",
            f"{found.accuracy.top1:.2%}",
        )
    judgement = status(outcome.status, _GOOD[outcome.status])
    return (str(outcome.variant), outcome.method, f"{outcome.images:,}", *figures, judgement)
