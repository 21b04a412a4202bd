"""``edge-cifar data``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge_cifar.cli.options import data_set
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table
from edge_cifar.command_line import command_line
from edge_cifar.errors import unknown

_Command = Callable[..., Any]


class _Group(click.Group):
    """A group that suggests the nearest command for a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", f"data {args[0]}", (f"data {name}" for name in self.commands))
        return super().resolve_command(ctx, args)


def _selection(function: _Command) -> _Command:
    """The options that say which images, for the commands that read them."""
    for option in (
        click.option("--strict", is_flag=True, help="Refuse a folder with files that are no pictures."),
        click.option("--image-size", type=int, metavar="N", help="Side in pixels, for a folder.  [default: 96]"),
        click.option("--seed", default=0, show_default=True, metavar="N", help="Of synthetic pictures and splits."),
        click.option("--limit", type=int, metavar="N", help="At most N training and N test images."),
        _data_dir,
        _data,
    ):
        function = option(function)
    return function


_data = data_set("The set, or a folder of images.")
_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="The folder with its files."
)


@click.group("data", cls=_Group)
def command() -> None:
    """Get a data set, look at it, or write it as CSV.

    A set is cifar10, cifar100, synthetic (made by code), or a folder with a subfolder of pictures for
    each class. CIFAR is sought in --data-dir alone if given, else in EDGE_CIFAR_DATA, in the user's
    cache, and at its official address.

    \b
    Examples:
      edge-cifar data fetch
      edge-cifar data show --data ./photos
      edge-cifar data csv --data synthetic --out pixels
    """


@command.command("fetch")
@_data
@_data_dir
@click.option("--overwrite", is_flag=True, help="Download anew what is there.")
def fetch(data: str, data_dir: Path | None, overwrite: bool) -> None:
    """Download a published set and check it.

    What is already there is only checked. A download that was cut off goes on where it stopped.

    \b
    Example:
      edge-cifar data fetch --data cifar100
    """
    from edge_cifar.steps import data as step

    folder = step.fetch(data, data_dir=data_dir, overwrite=overwrite, progress=Terminal())
    place = ("--data-dir", data_dir) if data_dir else ()
    echo(f"{data}: whole and verified in {folder}")
    echo(f"next: {command_line('data', 'show', '--data', data, *place)}", err=True)


@command.command("show")
@_selection
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="The picture to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(out: Path | None, as_json: bool, **selection: Any) -> None:
    """Count the images of each class, and draw samples of them.

    \b
    Example:
      edge-cifar data show --data synthetic -o samples.png
    """
    from edge_cifar.steps import data as step

    overview = step.show(output=out, progress=Terminal(), **selection)
    if as_json:
        emit_json(overview.document())
        return
    counts = overview.counts()
    rows = [[label, *(f"{counts[split][label]:,}" for split in counts)] for label in overview.dataset.labels]
    emit_table(["class", *counts], [*rows, ["all", *(f"{sum(counts[split].values()):,}" for split in counts)]])
    height, width, _ = overview.dataset.train.images.shape[1:]
    echo(f"\n{overview.dataset.name}: {width}×{height} pixels, checksum {overview.dataset.checksum}")
    echo(f"samples: {overview.picture}")


@command.command("csv")
@_selection
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def csv(out: Path | None, overwrite: bool, **selection: Any) -> None:
    """Write the images as CSV.

    The folder gets train.csv and test.csv, with a label and the pixels of one image a row, and
    labels.txt with the classes' names.

    \b
    Example:
      edge-cifar data csv --limit 1000 --out pixels
    """
    from edge_cifar.steps import data as step

    folder = step.csv(output=out, overwrite=overwrite, progress=Terminal(), **selection)
    echo(f"written: {', '.join(sorted(map(str, folder.iterdir())))}")
