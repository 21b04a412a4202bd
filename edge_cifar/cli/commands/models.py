"""``edge-cifar models``."""

from __future__ import annotations

import re
from dataclasses import asdict

import click

from edge_cifar import backbones
from edge_cifar.cli.completers import completing, recipes
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import table_options
from edge_cifar.cli.output import echo, emit_json, emit_table, emit_text, next_step
from edge_cifar.errors import UsageError
from edge_cifar.tables import Column, Table

_COLUMNS = (
    Column(name="backbone", key=True),
    Column(name="parameters", figures=",d"),
    Column(name="macs", title="MACs", unit="M", figures=",.1f"),
    Column(name="image", unit="px", figures="d"),
    Column(name="recipes", rank=1),
    Column(name="source", rank=2),
)
_LAYER_COLUMNS = (
    Column(name="layer", key=True),
    Column(name="type"),
    Column(name="output", rank=1),
    Column(name="parameters", figures=",d"),
    Column(name="macs", title="MACs", figures=",d"),
)


@click.command("models")
@click.argument("name", required=False, shell_complete=completing(backbones.names))
@click.option("--toml", "as_toml", is_flag=True, help="Print a recipe of the backbone as a file for train --recipe.")
@click.option("--recipe", shell_complete=recipes, help="Which recipe --toml prints.  [default: default]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options(_COLUMNS)
def command(name: str | None, as_toml: bool, recipe: str | None, as_json: bool, table_layout: Layout) -> None:
    """List the backbones, or the layers of one.

    Shows parameters, MACs, image size, recipes and source. All numbers are for ten classes, width
    multiplier 1 and the image size of the default recipe.

    \b
    Examples:
      edge-cifar models
      edge-cifar models mobilenetv2
      edge-cifar models mobilenetv2 --recipe default --toml > my.toml
    """
    if as_toml or recipe:
        if not as_toml or name is None:
            raise UsageError("to print a recipe, give a backbone and --toml: edge-cifar models resnet8 --toml")
        from edge_cifar.steps.recipes import to_toml

        emit_text(to_toml(backbones.get(name).recipe(recipe or "default", from_scratch=False)))
        return
    if name is not None:
        _layers(name, as_json, table_layout.further)
        return
    from edge_cifar.steps.models import models

    described = models()
    if as_json:
        emit_json({"models": [one.document() for one in described]})
        return
    rows = tuple(
        (
            one.name,
            one.parameters,
            one.multiply_adds / 1e6,
            one.image_size,
            ", ".join(one.recipes),
            re.split("[,;] ", one.source)[0],
        )
        for one in described
    )
    emit_table(Table(columns=_COLUMNS, rows=rows), table_layout)
    next_step("train", "mobilenetv2", err=True)


def _layers(name: str, as_json: bool, table_layout: Layout) -> None:
    from edge_cifar.steps.models import layers, models

    (one,), built = models(name), layers(name)
    if as_json:
        emit_json({"models": [{**one.document(), "layers": [asdict(layer) for layer in built]}]})
        return
    rows = tuple(
        (layer.name, layer.type, "×".join(map(str, layer.output_shape)), layer.parameters, layer.multiply_adds)
        for layer in built
    )
    emit_table(Table(columns=_LAYER_COLUMNS, rows=rows), table_layout)
    echo(
        f"\n{one.name}: {one.parameters:,} parameters, {one.multiply_adds:,} MACs; {one.source}",
        err=table_layout.is_data,
    )
