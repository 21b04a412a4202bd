"""``edge-cifar runs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_cifar import backbones
from edge_cifar.cli.completers import completing, data_sets, run_names
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import table_options
from edge_cifar.cli.output import echo, emit_json, emit_table, next_step, status
from edge_cifar.cli.subcommands import Subcommands
from edge_cifar.errors import UsageError
from edge_cifar.tables import Column, Row, Table

if TYPE_CHECKING:
    from edge_cifar.documents.run_record import RunRecord
    from edge_cifar.steps.runs import Summary

_COLUMNS = (
    Column(name="name", key=True),
    Column(name="state"),
    Column(name="backbone", rank=3),
    Column(name="data", rank=2),
    Column(name="accuracy", unit="%", figures=".2f"),
    Column(name="size", unit="MB", figures=",.1f", rank=4),
    Column(name="exported", figures="d"),
    Column(name="verified", figures="d"),
    Column(name="date", rank=1),
)
_FACTS = (Column(name="field", key=True), Column(name="value", folds=True))
_ARTIFACTS = (
    Column(name="variant", key=True),
    Column(name="size", unit="MB", figures=".2f"),
    Column(name="verified"),
)
_STATES = {"finished": True, "unfinished": None, "damaged": False}
_OUTCOMES = {"pass": True, "fail": False, "unverified": None}


@click.group("runs", cls=Subcommands)
def command() -> None:
    """List, show, remove, rename or compare trained runs.

    RUN is the name of a run under ./runs, or its path.

    \b
    Examples:
      edge-cifar runs ls --data cifar10 --min-accuracy 90
      edge-cifar runs show mobilenetv2
      edge-cifar runs diff resnet8 resnet8-2
      edge-cifar runs mv resnet8-2 resnet8-wide
    """


@command.command("ls")
@click.argument("folder", required=False, type=click.Path(path_type=Path), default=Path("runs"), metavar="[FOLDER]")
@click.option("--backbone", metavar="NAME", shell_complete=completing(backbones.names), help="Only this network.")
@click.option(
    "--data", metavar="NAME", shell_complete=completing(data_sets), help="Only runs trained on this data set."
)
@click.option("--min-accuracy", type=float, metavar="PERCENT", help="Only runs of at least this test accuracy.")
@click.option("--exported/--not-exported", default=None, help="Only runs with, or without, a bundle.")
@click.option(
    "--verified/--not-verified", default=None, help="Only runs whose artifacts all passed verify, or did not."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options(_COLUMNS)
def ls(folder: Path, as_json: bool, table_layout: Layout, **filters: Any) -> None:
    """List runs, the newest first.

    FOLDER contains the runs; the default is ./runs. Sizes are those of whole run folders. VERIFIED counts
    the artifacts that passed verify as they are now.

    \b
    Example:
      edge-cifar runs ls --backbone resnet8 --not-exported
    """
    from edge_cifar.steps.runs import listed

    found = listed(folder, **filters)
    if as_json:
        emit_json({"runs": [one.document() for one in found]})
        return
    emit_table(Table(columns=_COLUMNS, rows=tuple(map(_row, found))), table_layout)
    for one in found:
        if one.reason:
            echo(f"{one.run.name}: {one.reason}", err=True)
    if not found:
        echo(f"no such run in {folder}", err=True)


@command.command("show")
@click.argument("run", required=False, metavar="[RUN]", shell_complete=run_names)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with the whole record.")
def show(run: str | None, as_json: bool) -> None:
    """Show how a run was trained, and what was made of it.

    The default is the newest run under ./runs.

    \b
    Example:
      edge-cifar runs show resnet8
    """
    from edge_cifar.steps.runs import find, summary

    one = summary(find(run))
    if as_json:
        emit_json(one.details())
        return
    facts = tuple((field, value) for field, value in _facts(one) if value is not None)
    emit_table(Table(columns=_FACTS, rows=facts, headings=False), Layout())
    if one.artifacts:
        rows = tuple((artifact.variant, artifact.size_bytes / 1e6, _outcome(artifact)) for artifact in one.artifacts)
        echo()
        emit_table(Table(columns=_ARTIFACTS, rows=rows), Layout())
    if one.reason:
        echo(f"damaged: {one.reason}", err=True)


@command.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="RUN...", shell_complete=run_names)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Remove runs with all that belongs to them: weights, bundle and results.

    \b
    Example:
      edge-cifar runs rm try-1 try-2
    """
    from edge_cifar.steps.runs import find, remove, summary

    found = [summary(find(name)) for name in names]
    for one in found:
        bundle = f", {len(one.artifacts)} exported artifacts" if one.artifacts else ""
        echo(f"{one.run.path}: {one.size_bytes / 1e6:,.1f} MB{bundle}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("runs rm asks before it removes anything; without a terminal, add --yes")
        click.confirm(f"Remove {'this run' if len(found) == 1 else f'these {len(found)} runs'}?", abort=True, err=True)
    for one in found:
        remove(one.run)
        echo(f"removed {one.run.path}", err=True)


@command.command("mv")
@click.argument("run", shell_complete=run_names)
@click.argument("to", metavar="NAME|PATH")
def mv(run: str, to: str) -> None:
    """Rename a run, or move it to another place.

    A NAME is a place beside the old one. Results that were written before keep the former name in them;
    the page shows the new one.

    \b
    Example:
      edge-cifar runs mv resnet8-2 resnet8-wide
    """
    from edge_cifar.steps.runs import find, move

    moved = move(find(run), to)
    echo(f"run: {moved.path}")
    next_step("runs", "show", moved.path)


@command.command("diff")
@click.argument("first", metavar="RUN", shell_complete=run_names)
@click.argument("second", metavar="RUN", shell_complete=run_names)
@click.option("--all", "everything", is_flag=True, help="Also show what is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options()
def diff(first: str, second: str, everything: bool, as_json: bool, table_layout: Layout) -> None:
    """Compare two runs: their settings, their data and what they reached.

    If both were tested on the same images, the difference in accuracy is given with its 95 % interval,
    paired by image.

    \b
    Example:
      edge-cifar runs diff resnet8 resnet8-2
    """
    from edge_cifar.steps.run_diff import compare
    from edge_cifar.steps.runs import find

    found = compare(find(first), find(second))
    if as_json:
        emit_json(found.document())
        return
    names = [found.first.name, found.second.name]
    if names[0] == names[1]:
        names = [str(found.first.path), str(found.second.path)]
    columns = (Column(name="field", key=True), *(Column(name=name, folds=True) for name in names))
    fields = found.fields if everything else found.differing
    rows = tuple((field, *map(_text, both)) for field, both in fields.items())
    emit_table(Table(columns=columns, rows=rows), table_layout)
    if drop := found.drop:
        low, high = sorted((0.0 - drop.high, 0.0 - drop.low))
        echo(
            f"{names[1]} against {names[0]}: {0.0 - drop.points:+.2f} points of top-1 "
            f"(95 % CI {low:+.2f} to {high:+.2f}) on {drop.images:,} test images",
            err=table_layout.is_data,
        )


def _row(one: Summary) -> Row:
    record = one.record
    return (
        one.run.name,
        None if one.state == "finished" else status(one.state, _STATES[one.state]),
        record.backbone if record else None,
        record.data.name if record else None,
        100 * record.test.top1 if record else None,
        one.size_bytes / 1e6,
        len(one.artifacts),
        one.verified,
        f"{one.changed.astimezone():%Y-%m-%d %H:%M}",
    )


def _facts(one: Summary) -> Iterator[Row]:
    yield "run", str(one.run.path)
    yield "state", status(one.state, _STATES[one.state])
    yield "date", f"{one.changed.astimezone():%Y-%m-%d %H:%M}"
    yield "size", f"{one.size_bytes / 1e6:,.1f} MB"
    if one.record:
        yield from _recorded(one.record)


def _recorded(record: RunRecord) -> Iterator[Row]:
    test, validation, data = record.test, record.validation, record.data
    yield "backbone", f"{record.backbone}, width multiplier {record.alpha:g}, {record.resolution} px"
    macs = "" if record.multiply_adds is None else f", {record.multiply_adds:,} MACs"
    yield "network", f"{record.parameters:,} parameters{macs}"
    if record.imported:
        yield "imported", f"{record.imported.source}, {record.imported.input_range}; {record.imported.ground}"
    yield "test top-1", f"{test.top1:.2%} (95 % CI {test.low:.2%} to {test.high:.2%}) on {test.images:,} images"
    yield "validation", f"{validation.top1:.2%} on {validation.images:,} images"
    yield "data", f"{data.name}, {len(data.labels)} classes, {data.train_images:,} training images"
    yield "checksum", data.checksum
    yield "recipe", f"{record.recipe_name}, initial weights {record.weights}, seed {record.seed}"
    for phase in record.phases:
        yield "phase", f"{phase.name}: {phase.epochs} epochs, {phase.seconds:,.0f} s"
    provenance = record.provenance
    yield "versions", ", ".join(f"{name} {version}" for name, version in provenance.versions.items()) or None
    yield "commit", provenance.commit
    yield "command", provenance.command


def _outcome(artifact: Any) -> str | None:
    return status(artifact.verified, _OUTCOMES[artifact.verified]) if artifact.verified else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
