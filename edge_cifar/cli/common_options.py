"""Options that every command takes, before its name or behind it."""

from __future__ import annotations

import click

_COLOURS = {"auto": None, "always": True, "never": False}


def _colour(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        # What click's own printing asks, and that of every command below.
        context.color = _COLOURS[value]


def common_options(*, hidden: bool = False) -> list[click.Option]:
    """The options, made anew.

    Args:
        hidden: leave them out of the help; that of ``edge-cifar`` itself lists them.
    """
    return [
        click.Option(
            ["--color"],
            type=click.Choice(list(_COLOURS)),
            callback=_colour,
            expose_value=False,
            hidden=hidden,
            help="Colored output.  [default: auto: on a terminal, unless NO_COLOR is set]",
        ),
    ]


def with_common_options(command: click.Command) -> click.Command:
    """The command, and those below it, with the options added."""
    if not any(parameter.name == "color" for parameter in command.params):
        command.params.extend(common_options(hidden=True))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_common_options(below)
    return command
