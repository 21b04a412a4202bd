"""Option values that several commands share, checked as they are read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import click

from edge_cifar.cli.completers import completing, data_sets
from edge_cifar.cli.layout import Layout
from edge_cifar.errors import UsageError, unknown
from edge_cifar.tables import Column

Command = TypeVar("Command", bound=Callable[..., Any])


def data_set(help: str, default: str | None = "cifar10") -> Callable[[Command], Command]:
    """The option that names a data set or a folder of pictures."""
    return click.option(
        "--data",
        default=default,
        show_default=True,
        metavar="NAME|FOLDER",
        shell_complete=completing(data_sets, folders=True),
        help=help,
    )


# Parameters of the options that describe a model made elsewhere.
MODEL_OPTIONS = ("input_range", "mean", "std", "channels", "layout", "output_name", "labels", "image_size")


def model_options(*, output: bool = True) -> Callable[[Command], Command]:
    """The options that describe a model made elsewhere, by the names of :class:`edge_cifar.model_options.Told`.

    Args:
        output: whether ``--output`` may stand for ``--output-name``, as it does where it names no file to write.
    """
    names = ("--output", "--output-name") if output else ("--output-name",)
    options = (
        click.option(
            "--input-range",
            metavar="LOW,HIGH",
            help="Values that a model made elsewhere expects for pixels 0 and 255, such as -1,1.",
        ),
        click.option(
            "--mean",
            metavar="M[,M,M]",
            help="Instead: mean to subtract from each channel, of pixels in 0..1; in 0..255 if a number is above 1.",
        ),
        click.option("--std", metavar="S[,S,S]", help="What to divide each channel by then.  [default: 1]"),
        click.option("--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="Its input's channels, in order."),
        click.option("--layout", type=click.Choice(["nhwc", "nchw"]), help="Its input's order of dimensions."),
        click.option(
            *names, "output_name", metavar="NAME", help="Its output with the class scores, if it has several."
        ),
        click.option(
            "--labels", metavar="FILE|A,B,C", help="Its class names: a file with one a line, or a list of them."
        ),
        click.option(
            "--image-size",
            metavar="N|HxW",
            help="Size of its images in pixels, if it takes any; also of the images of a data folder.",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


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


def table_options(columns: Sequence[Column] = ()) -> Callable[[Command], Command]:
    """The options that say how a command prints its table; hands them to the command as ``table_layout``.

    Args:
        columns: those of the table, for ``--columns``; empty where they depend on what is shown.
    """
    names = tuple(column.name for column in columns)

    def read(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
        chosen = tuple(value.split(",")) if value else ()
        for name in chosen:
            if name not in names:
                raise unknown("column", name, names)
        return chosen

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def laid_out(*args: Any, wide: bool, as_csv: bool, as_markdown: bool, **options: Any) -> Any:
            chosen = options.pop("columns", ())
            if sum((as_csv, as_markdown, options.get("as_json", False))) > 1:
                raise UsageError("--csv, --markdown and --json exclude each other; choose one")
            form: Literal["table", "csv", "markdown"] = "csv" if as_csv else "markdown" if as_markdown else "table"
            return command(*args, table_layout=Layout(form=form, wide=wide, columns=chosen), **options)

        decorated: Any = laid_out
        for option in (
            click.option("--markdown", "as_markdown", is_flag=True, help="Print the table in Markdown."),
            click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV."),
            click.option("--wide", is_flag=True, help="Show all columns, however narrow the terminal is."),
        ):
            decorated = option(decorated)
        if names:
            decorated = click.option(
                "--columns", callback=read, metavar="NAME,…", help=f"Columns to show, of {', '.join(names)}."
            )(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate
