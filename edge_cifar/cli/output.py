"""What commands print: tables and the JSON document on standard output, everything else on standard error.

All of it passes through here, and what files told, labels and names among it, through :func:`.visible.visible`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from tabulate import tabulate

from edge_cifar.progress import Advance
from edge_cifar.storage import strict_json
from edge_cifar.visible import visible


class Terminal:
    """Progress for people, on standard error; bars only where that is a terminal."""

    def __init__(self) -> None:
        self._lively = sys.stderr.isatty()

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        if not self._lively:
            yield lambda units: None
            return
        with click.progressbar(length=total, label=visible(label), file=sys.stderr) as bar:
            yield bar.update

    def say(self, text: str) -> None:
        echo(text, err=True)


class Styled(str):
    """Text of our own that brings its colour; the only one that reaches a terminal as it stands."""

    __slots__ = ()


def echo(*parts: object, err: bool = False) -> None:
    """Print a line, or the lines of a text; the parts stand beside each other.

    Args:
        *parts: texts; all but :class:`Styled` ones are made visible, line breaks kept.
        err: to standard error.
    """
    click.echo("".join(_shown(part, keep="\n") for part in parts), err=err)


def emit_json(document: Any) -> None:
    """Print the one JSON document of a ``--json`` command."""
    click.echo(strict_json.dump(document, indent=2))


def emit_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print an aligned table; None shows as a dash."""
    cells = [[None if cell is None else _shown(cell) for cell in row] for row in rows]
    titles = [visible(header) for header in headers]
    click.echo(tabulate(cells, headers=titles, missingval="-", disable_numparse=True, colalign=_align(headers)))


class StreamedTable:
    """A table whose lines are printed as they come; it looks like :func:`emit_table`'s.

    Args:
        headers: of the columns.
        widths: of the columns, at least; a longer cell moves those behind it.
    """

    def __init__(self, headers: Sequence[str], widths: Sequence[int]) -> None:
        self._headers = headers
        self._widths = [max(len(header), width) for header, width in zip(headers, widths, strict=True)]
        self._begun = False

    def emit(self, row: Sequence[str]) -> None:
        """Print a line."""
        if not self._begun:
            self._begun = True
            self._print(self._headers)
            self._print(["-" * width for width in self._widths])
        self._print(row)

    def _print(self, row: Sequence[str]) -> None:
        first, *rest = map(visible, row)
        cells = [first.ljust(self._widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, self._widths[1:], strict=True)]
        click.echo("  ".join(cells).rstrip())


def status(text: str, good: bool | None) -> Styled:
    """A word coloured green, red or (None) yellow where standard output is a terminal without NO_COLOR."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return Styled(text)
    return Styled(click.style(text, fg={True: "green", False: "red", None: "yellow"}[good]))


def heading(text: str) -> Styled:
    """A line in bold, which ``click`` leaves out where the stream is no terminal."""
    return Styled(click.style(visible(text), bold=True))


def _shown(part: object, keep: str = "") -> str:
    return part if isinstance(part, Styled) else visible(str(part), keep=keep)


def _align(headers: Sequence[str]) -> tuple[str, ...]:
    # First column is a name, the rest are figures: names left, figures right.
    return ("left",) + ("right",) * (len(headers) - 1)
