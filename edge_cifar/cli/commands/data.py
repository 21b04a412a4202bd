"""``edge-cifar data``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import data_set, table_options
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, next_step
from edge_cifar.cli.subcommands import Subcommands
from edge_cifar.errors import UsageError
from edge_cifar.tables import Column, Row, Table

_Command = Callable[..., Any]
_CACHE_COLUMNS = (
    Column(name="folder", key=True),
    Column(name="pixels"),
    Column(name="images", figures=",d"),
    Column(name="size", unit="MB", figures=",.1f"),
)


def _selection(function: _Command) -> _Command:
    """The options that say which images, for the commands that read them."""
    for option in (
        click.option("--strict", is_flag=True, help="Fail if a folder contains files that are not images."),
        click.option("--image-size", type=int, metavar="N", help="Image side in pixels, for a folder.  [default: 96]"),
        click.option(
            "--seed", default=0, show_default=True, metavar="N", help="Seed of synthetic images and of splits."
        ),
        click.option("--limit", type=int, metavar="N", help="Use at most N training and N test images."),
        _data_dir,
        _data,
        click.argument("folder", metavar="[FOLDER]", required=False),
    ):
        function = option(function)

    @click.pass_context
    @functools.wraps(function)
    def selected(context: click.Context, /, *args: Any, folder: str | None, **options: Any) -> Any:
        if folder is not None:
            if context.get_parameter_source("data") is ParameterSource.COMMANDLINE:
                raise UsageError("name the data once: as FOLDER, or with --data")
            options["data"] = folder
        return function(*args, **options)

    return selected


_data = data_set("Data set, or a folder of images.")
_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Directory with the data set's files."
)


@click.group("data", cls=Subcommands)
def command() -> None:
    """Download, inspect or export a data set.

    A data set is cifar10, cifar100, synthetic (generated), or a folder with one subfolder of images per
    class. CIFAR is read from --data-dir if given; otherwise from EDGE_CIFAR_DATA, your cache, or its
    official address, in this order.

    \b
    Examples:
      edge-cifar data fetch
      edge-cifar data show --data ./photos
      edge-cifar data csv --data synthetic --out pixels
    """


@command.command("fetch")
@_data
@_data_dir
@click.option("--overwrite", is_flag=True, help="Download again what is already there.")
def fetch(data: str, data_dir: Path | None, overwrite: bool) -> None:
    """Download a published data set and verify its checksums.

    Files that are already there are only verified. An interrupted download resumes where it stopped.

    \b
    Example:
      edge-cifar data fetch --data cifar100
    """
    from edge_cifar.steps import data as step

    folder = step.fetch(data, data_dir=data_dir, overwrite=overwrite, progress=Terminal())
    place = ("--data-dir", data_dir) if data_dir else ()
    echo(f"{data}: complete and verified in {folder}")
    next_step("data", "show", "--data", data, *place, err=True)


@command.command("show")
@_selection
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Image file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options()
def show(out: Path | None, as_json: bool, table_layout: Layout, **selection: Any) -> None:
    """Count the images of each class and draw samples.

    \b
    Example:
      edge-cifar data show photos/
      edge-cifar data show --data synthetic -o samples.png
    """
    from edge_cifar.steps import data as step

    overview = step.show(output=out, progress=Terminal(), **selection)
    if as_json:
        emit_json(overview.document())
        return
    counts = overview.counts()
    columns = (Column(name="class", key=True), *(Column(name=split, figures=",d") for split in counts))
    rows: list[Row] = [(label, *(counts[split][label] for split in counts)) for label in overview.dataset.labels]
    rows.append(("all", *(sum(counts[split].values()) for split in counts)))
    emit_table(Table(columns=columns, rows=tuple(rows)), table_layout)
    height, width, _ = overview.dataset.train.images.shape[1:]
    size = f"{width}×{height} pixels, checksum {overview.dataset.checksum[:12]}…"
    echo(f"\n{overview.dataset.name}: {size}", err=table_layout.is_data)
    echo(f"samples: {overview.picture}", err=table_layout.is_data)


@command.command("csv")
@_selection
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Directory to write.")
@click.option("--overwrite", is_flag=True, help="Replace existing CSV files.")
def csv(out: Path | None, overwrite: bool, **selection: Any) -> None:
    """Write the images as CSV.

    Writes train.csv and test.csv, with one image per row (label and pixels), and labels.txt with the
    class names.

    \b
    Example:
      edge-cifar data csv --limit 1000 --out pixels
    """
    from edge_cifar.steps import data as step

    folder = step.csv(output=out, overwrite=overwrite, progress=Terminal(), **selection)
    echo(f"wrote {', '.join(sorted(map(str, folder.iterdir())))}")


@command.group("cache", cls=Subcommands)
def cache() -> None:
    """List or remove decoded images.

    The images of a folder are decoded once for each size and stored in EDGE_CIFAR_CACHE, or in your user cache.

    \b
    Examples:
      edge-cifar data cache ls
      edge-cifar data cache rm ./photos
    """


@cache.command("ls")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options(_CACHE_COLUMNS)
def cache_ls(as_json: bool, table_layout: Layout) -> None:
    """List what is stored, with its size on disk.

    \b
    Example:
      edge-cifar data cache ls
    """
    from edge_cifar.steps import data_cache

    entries = data_cache.entries()
    total = sum(entry.size_bytes for entry in entries)
    if as_json:
        facts = [{**asdict(entry), "path": str(entry.path), "folder": str(entry.folder)} for entry in entries]
        emit_json({"directory": str(data_cache.directory()), "size_bytes": total, "entries": facts})
        return
    rows: list[Row] = [
        (str(entry.folder), f"{entry.width}×{entry.height}", entry.images, entry.size_bytes / 1e6) for entry in entries
    ]
    rows.append(("all", "", sum(entry.images for entry in entries), total / 1e6))
    emit_table(Table(columns=_CACHE_COLUMNS, rows=tuple(rows)), table_layout)
    echo(f"\nstored in {data_cache.directory()}", err=table_layout.is_data)


@cache.command("rm")
@click.argument("folders", metavar="[FOLDER]...", type=click.Path(path_type=Path), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove the decoded images of all folders.")
def cache_rm(folders: tuple[Path, ...], everything: bool) -> None:
    """Remove the decoded images of folders; the folders themselves are not touched.

    \b
    Examples:
      edge-cifar data cache rm ./photos
      edge-cifar data cache rm --all
    """
    from edge_cifar.steps import data_cache

    if everything == bool(folders):
        raise UsageError("name the folders whose decoded images to remove, or use --all")
    removed = data_cache.remove(None if everything else folders)
    count, total = sum(entry.images for entry in removed), sum(entry.size_bytes for entry in removed)
    echo(f"removed {count:,} decoded images ({total / 1e6:,.1f} MB)")
