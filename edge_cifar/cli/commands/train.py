"""``edge-cifar train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from edge_cifar import backbones
from edge_cifar.cli.completers import completing, recipes
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import data_set, number_or_name, numbers
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, next_step
from edge_cifar.cli.sections import Sectioned
from edge_cifar.progress import Progress
from edge_cifar.recipe import CLASS_WEIGHTS
from edge_cifar.tables import Column, Table

_PLAN_COLUMNS = (
    Column(name="phase", key=True),
    Column(name="epochs", figures="d"),
    Column(name="steps", title="steps", unit="/epoch", figures=",d", rank=1),
    Column(name="trainable", unit="parameters", figures=",d"),
    Column(name="step", unit="ms", figures=".1f", rank=2),
    Column(name="time", unit="min", figures=",.1f"),
    Column(name="note", folds=True),
)


@click.command(
    cls=Sectioned,
    sections={
        "Data": ("data", "data_dir", "limit", "strict", "validation_split", "class_weights"),
        "Run": ("out", "name", "increment", "resume", "overwrite", "dry_run"),
        "Recipe": ("recipe", "changes", "epochs", "batch_size", "learning_rate", "unfreeze"),
        "Network": ("weights", "alpha", "image_size"),
        "Computation": ("device", "mixed_precision", "deterministic", "seed", "feature_cache_gb"),
    },
)
@click.argument("backbone", shell_complete=completing(backbones.names))
@data_set("Data set: cifar10, cifar100, synthetic, or a folder of images by class.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data directory (must exist).")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Run directory.  [default: runs/BACKBONE]")
@click.option("--name", help="Name of the run: its directory is runs/NAME.")
@click.option("--increment", is_flag=True, help="If that run exists, add a number to its name, such as resnet8-2.")
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    shell_complete=recipes,
    metavar="NAME|FILE.toml",
    help="default; report: the settings of the source report; or a file, see `models NAME --toml`.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe, such as recipe.optimizer=sgd or recipe.phases[0].epochs=5; repeatable.",
)
@click.option(
    "--weights", metavar="imagenet|none|FILE", help="Initial weights.  [default: imagenet if available, else none]"
)
@click.option("--alpha", type=float, default=1.0, show_default=True, help="Width multiplier.")
@click.option(
    "--epochs",
    callback=partial(numbers, least=0),
    metavar="N[,N…]",
    help="Epochs of every phase, or one number per phase.",
)
@click.option("--batch-size", type=int, help="Images per training step.")
@click.option(
    "--learning-rate", type=float, help="Peak learning rate of the last phase; earlier phases are scaled with it."
)
@click.option("--image-size", type=int, help="Side of the network's input, in pixels.")
@click.option(
    "--unfreeze",
    callback=number_or_name,
    metavar="N|NAME|all",
    help="What the last phase trains: the backbone's last N layers, or all from layer NAME (such as block5) on.",
)
@click.option("--validation-split", type=float, help="Share of the training images held out for validation.")
@click.option(
    "--class-weights",
    type=click.Choice(CLASS_WEIGHTS),
    help="balanced: every class weighs the same in the loss, however many images it has.  [default: none]",
)
@click.option(
    "--mixed-precision",
    type=click.Choice(["auto", "off", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="Compute type during training; weights are saved as float32.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True, help="Where to train."
)
@click.option("--deterministic", is_flag=True, help="Reproducible weights, at some cost in speed.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use at most N training and N test images.")
@click.option("--strict", is_flag=True, help="Fail if a folder contains unreadable files, instead of skipping them.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed.")
@click.option(
    "--feature-cache-gb",
    type=float,
    default=8.0,
    show_default=True,
    help="Disk space for caching the output of frozen layers, which is then computed only once.",
)
@click.option(
    "--no-feature-cache", "feature_cache_gb", flag_value=0.0, help="Compute frozen layers again in every epoch."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing run.")
@click.option(
    "--dry-run", is_flag=True, help="Only show the phases, with time and disk space estimated from a few timed steps."
)
@click.option("--json", "as_json", is_flag=True, help="Print the run record as JSON.")
@click.pass_obj
def command(watching: Progress | None, /, backbone: str, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Train BACKBONE in phases and evaluate it on the test set.

    \b
    Examples:
      edge-cifar train mobilenetv2
      edge-cifar train resnet8 --data synthetic --epochs 5 --name try
      edge-cifar train resnet8 --learning-rate 0.05 --increment
      edge-cifar train resnet8 --recipe my.toml --set recipe.augmentation.mixup=0.2
    """
    if dry_run:
        _plan(backbone, as_json, options)
        return
    from edge_cifar.steps.train import train

    # The demo looks on.
    progress = watching or Terminal()
    run = train(backbone, **options, progress=progress)
    if as_json:
        emit_json(run.record().to_json())
    else:
        echo(f"run: {run.path}")
        next_step("export", run.path)


def _plan(backbone: str, as_json: bool, options: dict[str, Any]) -> None:
    from edge_cifar.steps.train_plan import TrainOptions, plan

    planned = plan(TrainOptions(backbone=backbone, **options), Terminal())
    if as_json:
        emit_json(planned.document())
        return
    rows = tuple(
        (
            phase.name,
            phase.epochs,
            phase.steps,
            phase.trainable_parameters,
            None if phase.step_seconds is None else 1e3 * phase.step_seconds,
            None if phase.seconds is None else phase.seconds / 60,
            "at most: frozen layers are computed once" if phase.cached else None,
        )
        for phase in planned.phases
    )
    emit_table(Table(columns=_PLAN_COLUMNS, rows=rows), Layout())
    images = ", ".join(f"{count:,} {split}" for split, count in planned.images.items())
    echo(f"images: {images}; {planned.parameters:,} parameters; on {planned.device}")
    if planned.seconds is not None:
        echo(f"time: about {_duration(planned.seconds)}, and the evaluation on the test images")
    kept, meanwhile = planned.run_bytes / 1e6, (planned.checkpoint_bytes + planned.cache_bytes) / 1e6
    echo(f"disk: {kept:,.1f} MB in {planned.run.path}, and {meanwhile:,.1f} MB until it ends")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
