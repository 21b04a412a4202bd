"""``edge-cifar completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from edge_cifar.cli.completers import completing
from edge_cifar.cli.output import echo, emit_text
from edge_cifar.cli.subcommands import Subcommands
from edge_cifar.errors import unknown
from edge_cifar.steps.completion import SHELLS, users_shell
from edge_cifar.steps.completion import install as write

_shell = click.argument("shell", required=False, metavar="[SHELL]", shell_complete=completing(lambda: SHELLS))


@click.group("completion", cls=Subcommands)
def command() -> None:
    """Set up shell completion.

    With it, the Tab key completes commands, options, and the names of backbones, precisions, backends and
    runs. SHELL is bash, zsh or fish; the default is yours.

    \b
    Examples:
      edge-cifar completion install
      edge-cifar completion show zsh
    """


@command.command("install")
@_shell
def install(shell: str | None) -> None:
    """Have every new terminal complete edge-cifar.

    Writes the completion script to a file, and a line that reads it to ~/.bashrc or ~/.zshrc, unless it
    is there already. fish finds the script by itself.

    \b
    Example:
      edge-cifar completion install
    """
    shell = shell or users_shell()
    done = write(shell, _script(shell))
    echo(f"wrote {done.script}")
    if done.startup:
        echo(f"{'added a line to' if done.added else 'already read by'} {done.startup}")
    echo("completion works in new terminals")


@command.command("show")
@_shell
def show(shell: str | None) -> None:
    """Print the completion script.

    \b
    Example:
      edge-cifar completion show bash > edge-cifar.bash
    """
    emit_text(_script(shell or users_shell()))


def _script(shell: str) -> str:
    complete = get_completion_class(shell) if shell in SHELLS else None
    if complete is None:
        raise unknown("shell", shell, SHELLS)
    from edge_cifar.cli.group import cli

    return complete(cli, {}, "edge-cifar", "_EDGE_CIFAR_COMPLETE").source()
