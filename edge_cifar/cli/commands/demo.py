"""``edge-cifar demo``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edge_cifar.cli.output import Terminal, echo, heading
from edge_cifar.command_line import command_line
from edge_cifar.errors import CheckFailed
from edge_cifar.progress import Progress


@click.command("demo")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="Directory for runs and results.",
)
def command(out: Path) -> None:
    """Run the full pipeline on built-in data.

    Works offline, on generated images, and takes minutes. Trains two backbones, exports, verifies and
    benchmarks them, and writes the report. Each step is a command you could type yourself, shown before
    it runs. Running the demo again replaces its results. On a slow machine it does less, and says so, to
    finish within ten minutes.

    \b
    Example:
      edge-cifar demo
    """
    from edge_cifar.steps.demo import TooSlowError, Watch, commands, prepare

    start = time.perf_counter()
    prepare(out)
    try:
        _run(commands(out), Watch(Terminal(), time.perf_counter))
    except TooSlowError as slow:
        echo(str(slow), err=True)
        _run(commands(out, slow.plan))
    echo(f"\ndemo finished in {time.perf_counter() - start:.0f} s", err=True)


def _run(commands: list[list[str]], progress: Progress | None = None) -> None:
    from edge_cifar.cli.group import cli

    for arguments in commands:
        echo(err=True)
        echo(heading(f"$ {command_line(*arguments)}"), err=True)
        try:
            cli.main(arguments, prog_name="edge-cifar", standalone_mode=False, obj=progress)
        except CheckFailed as failed:
            if arguments[0] != "export":
                raise
            # The gate at work on a network trained for a minute; the bundle stands, without these variants.
            echo(f"{failed}\nThe demo continues with the others.", err=True)
