"""What commands print: tables and the JSON document on standard output, everything else on standard error.

All of it passes through here, and what files told, labels and names among it, through :func:`.visible.visible`.
Where a stream is a terminal, tables and sentences fit its width, and words may have colours.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from edge_cifar.cli import log
from edge_cifar.cli.layout import Layout
from edge_cifar.command_line import command_line
from edge_cifar.progress import Advance
from edge_cifar.storage import strict_json
from edge_cifar.tables import Row, Styled, Table
from edge_cifar.visible import visible

# A command at the end of a sentence: it stays in one piece, so that it can be copied.
_COMMAND = re.compile(r"(?<=: )(?:edge-cifar|pip install) [^;\n]*")
_QUIET, _VERBOSE = "edge_cifar.quiet", "edge_cifar.verbose"
_UNLIMITED = 1_000_000
_USUAL_WIDTH = 80
# What stands beside a bar and its label: brackets, 100 %, days and hours.
_PERCENTAGE_AND_TIME = 25
_SHORTEST_BAR = 10


class Terminal:
    """Progress for people, on standard error, unless they want it quiet; bars only where that is a terminal."""

    def __init__(self) -> None:
        self._quiet = _is_set(_QUIET)
        self._lively = sys.stderr.isatty() and not self._quiet
        self._start = time.perf_counter() if _is_set(_VERBOSE) else None

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        if not self._lively:
            yield lambda units: None
            return
        room = (_width(err=True) or _USUAL_WIDTH) - _PERCENTAGE_AND_TIME
        label = visible(label)[: max(room - _SHORTEST_BAR, 0)]
        width = max(room - len(label), 1)
        with click.progressbar(length=total, label=label, width=width, file=sys.stderr) as bar:
            yield bar.update

    def say(self, text: str) -> None:
        if self._quiet:
            log.note(text)
        else:
            passed = "" if self._start is None else f"[{time.perf_counter() - self._start:.1f} s] "
            echo(passed + text, err=True)


def echo(text: object = "", *, err: bool = False, logged: bool = True) -> None:
    """Print a line, or the lines of a text, made visible; on a terminal they are wrapped between words.

    Args:
        text: what to print; :class:`Styled` text brings its colour.
        err: to standard error.
        logged: write it to the log file too, where there is one.
    """
    width = _width(err)
    shown = visible(str(text), keep="\n")
    if width:
        shown = "\n".join(_wrapped(line, width) for line in shown.split("\n"))
    if isinstance(text, Styled):
        shown = click.style(shown, bold=True) if text.style == "bold" else click.style(shown, fg=text.style)
    click.echo(shown, err=err, color=_colourful(err))
    if logged:
        log.note(str(text))


def next_step(*words: object, err: bool = False) -> None:
    """Name the command to type next, unless it is to be quiet."""
    if not _is_set(_QUIET):
        echo(f"next: {command_line(*words)}", err=err)


def set_quiet(context: click.Context) -> None:
    """Show no progress and no next command in this context, and those below it."""
    context.meta[_QUIET] = True


def set_verbose(context: click.Context) -> None:
    """Show with each message of progress when it came."""
    context.meta[_VERBOSE] = True


def emit_text(text: str) -> None:
    """Print a text of our own as it stands, for another program."""
    click.echo(text)


def emit_json(document: Any) -> None:
    """Print the one JSON document of a ``--json`` command."""
    click.echo(strict_json.dump(document, indent=2))


def emit_table(table: Table, layout: Layout) -> None:
    """Print a table: as wide as the terminal allows, or in the form that was asked for.

    Names the columns that are left out for lack of room. Where standard output is no terminal, all are printed.
    """
    table = table.chosen(layout.columns)
    if layout.form == "csv":
        click.echo(table.to_csv())
        return
    if layout.form == "markdown":
        click.echo(table.to_markdown())
        return
    width = _UNLIMITED if layout.wide else _width() or _UNLIMITED
    blocks, left_out = table.fitting(width, all_columns=bool(layout.columns))
    click.echo("\n\n".join(_drawn(block.narrowed(width) or block, width) for block in blocks), color=_colourful())
    if left_out:
        ways = f"--wide, --columns {left_out[0]},…, --csv or --markdown"
        echo(f"no room for the columns {', '.join(left_out)}; to see them: {ways}")


class StreamedTable:
    """A table whose rows are printed as they come; it looks like :func:`emit_table`'s.

    Args:
        like: the columns, and rows with the widest cells that are expected.
        layout: how it is printed. Where it is too wide for the terminal, it is printed at the end.
    """

    def __init__(self, like: Table, layout: Layout) -> None:
        self._layout = layout
        self._width = _UNLIMITED if layout.wide else _width() or _UNLIMITED
        self._table = replace(like, rows=())
        self._sized = like.narrowed(self._width)

    def emit(self, row: Row) -> None:
        """Print a row."""
        if self._sized is None and not self._layout.is_data:
            self._table = replace(self._table, rows=(*self._table.rows, row))
            return
        one = replace(self._sized or self._table, rows=(row,))
        if self._layout.form == "csv":
            click.echo(one.to_csv())
        elif self._layout.form == "markdown":
            click.echo(one.to_markdown())
        else:
            click.echo(_drawn(one, self._width), color=_colourful())
        self._table = replace(self._table, headings=False)
        self._sized = self._sized and replace(self._sized, headings=False)

    def finish(self) -> None:
        """Print what could not be printed yet."""
        if self._table.rows:
            emit_table(self._table, self._layout)


def status(text: str, good: bool | None) -> Styled:
    """A word in green, red or (None) yellow."""
    return Styled(text, {True: "green", False: "red", None: "yellow"}[good])


def heading(text: str) -> Styled:
    """A line in bold."""
    return Styled(text, "bold")


def _drawn(table: Table, width: int) -> str:
    from rich.console import Console

    console = Console(
        width=width,
        color_system="standard" if _colourful() else None,
        force_terminal=_colourful(),
        no_color=not _colourful(),
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(table.to_rich())
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def _width(err: bool = False) -> int | None:
    """Characters in a line of the stream's terminal; None where it is none."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def _colourful(err: bool = False) -> bool:
    """Whether the stream gets colours: as --color says, else where it is a terminal and NO_COLOR is not set."""
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_set(mark: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and mark in context.meta


def _wrapped(line: str, width: int) -> str:
    """The line, wrapped between words; what is indented stays so, and commands stay whole."""
    if len(line) <= width:
        return line
    kept = _COMMAND.sub(lambda command: command.group().replace(" ", "\0"), line)
    indent = " " * (len(line) - len(line.lstrip()))
    lines = textwrap.wrap(
        kept, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return "\n".join(lines).replace("\0", " ")
