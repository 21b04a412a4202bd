"""How results of the Python API show themselves: in one line, in a notebook, and as a pandas data frame."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_cifar import packages
from edge_cifar.errors import EdgeCifarError, RuntimeUnavailable
from edge_cifar.tables import Cell, Column, Span, Table
from edge_cifar.visible import visible

if TYPE_CHECKING:
    from pandas import DataFrame

# Browsers become slow with many thousands of rows.
_MOST_ROWS = 100


class Tabular(ABC):
    """A result that is shown as a table."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """The result in one line."""

    @abstractmethod
    def table(self) -> Table:
        """The result as a table, as the command prints it."""

    def to_dataframe(self) -> DataFrame:
        """The table as a pandas data frame, for further analysis and charts.

        Columns are named as ``--columns`` of the command names them, and hold plain numbers; shares are in percent.
        A column with intervals becomes two, such as ``ci_low`` and ``ci_high``. The columns' units are in
        ``frame.attrs["units"]``.

        Raises:
            RuntimeUnavailable: pandas is not installed.
        """
        if not packages.installed("pandas"):
            raise RuntimeUnavailable("to_dataframe() needs pandas, which is not installed; run: pip install pandas")
        import pandas

        table = self.table()
        values: dict[str, list[Cell]] = {}
        units: dict[str, str] = {}
        for place, column in enumerate(table.columns):
            for name, cells in _series(column, [row[place] for row in table.rows]):
                values[name] = cells
                if column.unit:
                    units[name] = column.unit
        frame = pandas.DataFrame(values)
        frame.attrs["units"] = units
        return frame

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {visible(self.summary)}>"

    def _repr_html_(self) -> str | None:
        try:
            return to_html(self.table().chosen(()), caption=self.summary)
        except EdgeCifarError:
            # Such as a run that is not finished: a notebook shows the line of text then.
            return None


def to_html(table: Table, *, caption: str) -> str:
    """A table as HTML, with everything in it escaped; it takes the page's colours, be they light or dark.

    Args:
        table: of a long one, the first rows are shown.
        caption: stands above it.
    """
    lines = [
        f"<table><caption>{_escaped(caption)}</caption>",
        f"<thead><tr>{''.join(map(_heading, table.columns))}</tr></thead>",
        "<tbody>",
        *(f"<tr>{''.join(map(_data, table.columns, row))}</tr>" for row in table.rows[:_MOST_ROWS]),
        "</tbody></table>",
    ]
    notes = list(table.notes)
    if len(table.rows) > _MOST_ROWS:
        notes.insert(0, f"{len(table.rows) - _MOST_ROWS:,} more rows; to_dataframe() has them all.")
    return "\n".join([*lines, *(f"<div><small>{_escaped(note)}</small></div>" for note in notes)])


def _series(column: Column, cells: list[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """A column's values under its name; those of an interval's ends under two."""
    if column.interval:
        ends = [cell if isinstance(cell, Span) else None for cell in cells]
        yield f"{column.name}_low", [end.low if end else None for end in ends]
        yield f"{column.name}_high", [end.high if end else None for end in ends]
    else:
        yield column.name, [str(cell) if isinstance(cell, str) else cell for cell in cells]


def _heading(column: Column) -> str:
    unit = f"<br><small>{_escaped(column.unit)}</small>" if column.unit else ""
    return f"<th{_alignment(column)}>{_escaped(column.heading)}{unit}</th>"


def _data(column: Column, cell: Cell) -> str:
    return f"<td{_alignment(column)}>{_escaped(column.text(cell))}</td>"


def _alignment(column: Column) -> str:
    return f' style="text-align: {"left" if column.figures is None else "right"}"'


def _escaped(text: str) -> str:
    return html.escape(visible(text))
