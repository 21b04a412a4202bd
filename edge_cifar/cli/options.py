"""Option values that several commands share, checked as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


def completing(names: Callable[[], Iterable[str]], *, folders: bool = False) -> Callable[..., list[CompletionItem]]:
    """Shell completion by names, and by those of folders."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        # The shell takes the folders where no name fits.
        return [CompletionItem(incomplete, type="dir"), *found] if folders else found

    return complete


def _data_sets() -> tuple[str, ...]:
    from edge_cifar.data import sets

    return sets.names()


def data_set(help: str, default: str | None = "cifar10") -> Callable[[Command], Command]:
    """The option that names a data set or a folder of pictures."""
    return click.option(
        "--data",
        default=default,
        show_default=True,
        metavar="NAME|FOLDER",
        shell_complete=completing(_data_sets, folders=True),
        help=help,
    )


def number_or_all(context: click.Context, option: click.Parameter, value: str | None) -> int | Literal["all"] | None:
    """A whole number of at least 1, or ``all``."""
    if value is None:
        return None
    if value == "all":
        return "all"
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is not an integer of at least 1, nor 'all'", context, option)
    return int(value)


def number_or_name(context: click.Context, option: click.Parameter, value: str | None) -> int | str | None:
    """A whole number from 0 on, or a name, which begins with a letter."""
    if value is None:
        return None
    if value.isdecimal():
        return int(value)
    if not value[:1].isalpha():
        raise click.BadParameter(f"{value!r} is not a non-negative integer, nor a layer name", context, option)
    return value


def numbers(
    context: click.Context, option: click.Parameter, value: str | None, *, least: int = 1
) -> tuple[int, ...] | None:
    """One whole number of at least ``least``, or several separated by commas."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise click.BadParameter(
            f"{value!r} is not an integer of at least {least}, nor a list of them such as {least},{least + 1}",
            context,
            option,
        )
    return tuple(int(part) for part in parts)
