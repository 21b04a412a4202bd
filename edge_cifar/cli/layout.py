"""How a command prints its table: for people or for another program, and which columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Form = Literal["table", "csv", "markdown"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the command line says about its table.

    Attributes:
        form: for people, or for another program.
        wide: all columns, whatever the terminal's width.
        columns: names of those to show, in their order; all when empty.
    """

    form: Form = "table"
    wide: bool = False
    columns: tuple[str, ...] = ()

    @property
    def is_data(self) -> bool:
        """Whether standard output is for another program, so that remarks belong on standard error."""
        return self.form != "table"

    @property
    def further(self) -> Layout:
        """For a command's further tables, which have columns of their own."""
        return replace(self, columns=())
