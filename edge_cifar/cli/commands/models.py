"""``edge-cifar models``."""

from __future__ import annotations

import re

import click

from edge_cifar import backbones
from edge_cifar.cli.options import completing
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table


@click.command("models")
@click.argument("name", required=False, shell_complete=completing(backbones.names))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str | None, as_json: bool) -> None:
    """List the backbones, or the layers of one.

    Shows parameters, MACs, image size, recipes and source. All numbers are for ten classes, width
    multiplier 1 and the image size of the default recipe.

    \b
    Examples:
      edge-cifar models
      edge-cifar models mobilenetv2
    """
    from edge_cifar.steps.models import models

    described = models(*([name] if name else []), progress=Terminal())
    if as_json:
        emit_json({"models": [one.document(layers=name is not None) for one in described]})
        return
    if name is None:
        rows = [
            [
                one.name,
                f"{one.parameters:,}",
                f"{one.multiply_adds / 1e6:,.1f} M",
                f"{one.image_size} px",
                ", ".join(one.recipes),
                re.split("[,;] ", one.source)[0],
            ]
            for one in described
        ]
        emit_table(["backbone", "parameters", "MACs", "image", "recipes", "source"], rows)
        echo("\nnext: edge-cifar train mobilenetv2", err=True)
        return
    (one,) = described
    emit_table(
        ["layer", "type", "output", "parameters", "MACs"],
        [
            [
                layer.name,
                layer.type,
                "×".join(map(str, layer.output_shape)),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
            ]
            for layer in one.layers
        ],
    )
    echo(f"\n{one.name}: {one.parameters:,} parameters, {one.multiply_adds:,} MACs; {one.source}")
