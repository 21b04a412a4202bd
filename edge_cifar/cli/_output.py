"""What commands print: tables and the JSON document on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from tabulate import tabulate

from edge_cifar.progress import Advance


class Terminal:
    """Progress for people, on standard error; bars only where that is a terminal."""

    def __init__(self) -> None:
        self._lively = sys.stderr.isatty()

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        if not self._lively:
            yield lambda units: None
            return
        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
            yield bar.update

    def say(self, text: str) -> None:
        click.echo(text, err=True)


def emit_json(document: Any) -> None:
    """Print the one JSON document of a ``--json`` command."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def emit_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print an aligned table; None shows as a dash."""
    click.echo(tabulate(rows, headers=headers, missingval="-", disable_numparse=True, colalign=_align(headers)))


def status(text: str, good: bool | None) -> str:
    """A word coloured green, red or (None) yellow where standard output is a terminal without NO_COLOR."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg={True: "green", False: "red", None: "yellow"}[good])


def _align(headers: Sequence[str]) -> tuple[str, ...]:
    # First column is a name, the rest are figures: names left, figures right.
    return ("left",) + ("right",) * (len(headers) - 1)
