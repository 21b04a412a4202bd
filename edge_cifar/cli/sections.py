"""A command whose help shows its options in sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

_REST = "Output"


class Sectioned(click.Command):
    """A command with many options.

    Args:
        sections: by title, the names of the parameters below it; those named nowhere come last.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown: dict[str, list[tuple[str, str]]] = {title: [] for title in (*self.sections, _REST)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                title = next((title for title, names in self.sections.items() if parameter.name in names), _REST)
                shown[title].append(record)
        for title, lines in shown.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)
