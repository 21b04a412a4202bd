"""Options that every command takes, before its name or behind it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from edge_cifar import provenance
from edge_cifar.cli import config, log
from edge_cifar.cli.output import set_quiet, set_verbose
from edge_cifar.errors import unknown

_COLOURS = {"auto": None, "always": True, "never": False}


def _colour(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        # What click's own printing asks, and that of every command below.
        context.color = _COLOURS[value]


def _quiet(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        set_quiet(context)


def _verbose(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        set_verbose(context)
        log.to_terminal()


def _log_file(context: click.Context, option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        log.to_file(value)
        log.note(provenance.command() or "edge-cifar")


def _config(context: click.Context, option: click.Parameter, value: Path | None) -> None:
    if context.resilient_parsing:
        return
    if value is None:
        # The project's own is read once, before the command is known.
        value = config.of_project() if context.parent is None else None
    if value is not None:
        root = context.find_root().command
        assert isinstance(root, click.Group)
        defaults = config.from_file(value, lambda name: _found(root, context, name))
        context.default_map = config.section(defaults, context)


def _found(group: click.Group, context: click.Context, name: str) -> click.Command:
    command = group.get_command(context, name)
    if command is None:
        raise unknown("command", name, group.list_commands(context))
    return command


def common_options(*, hidden: bool = False) -> list[click.Option]:
    """The options, made anew.

    Args:
        hidden: leave them out of the help; that of ``edge-cifar`` itself lists them.
    """
    # Their callbacks do all the work: commands are not handed them.
    option = partial(click.Option, expose_value=False, hidden=hidden)
    options = [
        option(
            ["-q", "--quiet"],
            is_flag=True,
            callback=_quiet,
            help="Only results, warnings and errors: no progress, no next command.",
        ),
        option(
            ["-v", "--verbose"],
            is_flag=True,
            callback=_verbose,
            help="Messages with the time they took, and what libraries log.",
        ),
        option(
            ["--log-file"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            callback=_log_file,
            help="Append all messages to FILE, with times and the tracebacks of errors.",
        ),
        option(
            ["--color"],
            type=click.Choice(list(_COLOURS)),
            callback=_colour,
            help="Colored output.  [default: auto: on a terminal, unless NO_COLOR is set]",
        ),
        option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE.toml",
            callback=_config,
            # Before the options that it gives values to.
            is_eager=True,
            help="Values for options.  [default: [tool.edge-cifar] of pyproject.toml]",
        ),
    ]
    if not hidden:
        for one in options:
            one.envvar = f"{config.PREFIX}_{one.name}".upper()
    return options


def with_common_options(command: click.Command, *words: str) -> click.Command:
    """The command, and those below it, with the options added, and with a variable for each of its own.

    Args:
        command: changed in place, once.
        *words: how it is called.
    """
    if not any(parameter.name == "color" for parameter in command.params):
        config.name_variables(command, words)
        command.params.extend(common_options(hidden=True))
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            with_common_options(below, *words, name)
    return command
