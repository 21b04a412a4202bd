"""Option values that several commands share, checked as they are read."""

from __future__ import annotations

from typing import Literal

import click


def number_or_all(
    context: click.Context, option: click.Parameter, value: str | None, *, least: int = 1
) -> int | Literal["all"] | None:
    """A whole number of at least ``least``, or ``all``."""
    if value is None:
        return None
    if value == "all":
        return "all"
    if not value.isdecimal() or int(value) < least:
        raise click.BadParameter(f"{value!r} is neither a whole number from {least} on nor all", context, option)
    return int(value)


def numbers(
    context: click.Context, option: click.Parameter, value: str | None, *, least: int = 1
) -> tuple[int, ...] | None:
    """One whole number of at least ``least``, or several separated by commas."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise click.BadParameter(
            f"{value!r} is not a whole number from {least} on, nor several as in {least},{least + 1}", context, option
        )
    return tuple(int(part) for part in parts)
