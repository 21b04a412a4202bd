"""Tables: columns and rows, which of them fit a terminal, and the same rows as CSV or Markdown.

Nothing here prints: :mod:`edge_cifar.cli.output` does, and :mod:`edge_cifar.notebook` shows tables in notebooks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edge_cifar.visible import visible

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_GAP = 2
# Characters that a column whose text may take several lines gets at least.
_FOLDED = 20


class Styled(str):
    """Text of our own with a colour or weight, which is shown where the stream has colours."""

    style: str

    def __new__(cls, text: str, style: str) -> Styled:
        styled = super().__new__(cls, text)
        styled.style = style
        return styled


class Span(NamedTuple):
    """An interval, in the unit of its column."""

    low: float
    high: float


Cell = str | float | Span | None
Row = tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        name: what ``--columns`` calls it.
        title: its heading; the name when left out.
        unit: of all its figures, shown below the title.
        figures: how its numbers are written, such as ``,.2f``: one precision for the whole column. They stand on
            the right. None for text, which stands on the left, and for True, which is a star.
        key: says which thing a row is about: it is never left out, and repeated where columns continue below.
        rank: importance. Columns of rank 0 are always shown; of the others, the highest goes first when the terminal
            is too narrow.
        folds: its text may take several lines.
        usual: text that needs no mention: the column is left out where nothing else stands in it.
        extra: left out unless it is named; data frames have it.
        interval: its cells are intervals, which data frames have in two columns.
    """

    name: str
    title: str = ""
    unit: str = ""
    figures: str | None = None
    key: bool = False
    rank: int = 0
    folds: bool = False
    usual: str | None = None
    extra: bool = False
    interval: bool = False

    @property
    def heading(self) -> str:
        """The title, without the unit."""
        return self.title or self.name

    def text(self, cell: Cell) -> str:
        """A cell as people read it."""
        if cell is None:
            return "–"
        if isinstance(cell, str):
            return cell if isinstance(cell, Styled) else visible(cell)
        if isinstance(cell, Span):
            return f"{cell.low:{self.figures}} to {cell.high:{self.figures}}"
        if isinstance(cell, bool):
            return "★" if cell else ""
        return format(cell, self.figures or "")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns.

    Attributes:
        columns: at least one.
        rows: each with a cell for each column.
        notes: sentences below it, such as the reasons of rows that failed.
        headings: whether they are shown, where rows are shown for people.
        widths: of the columns on a terminal, in characters; found from the rows when left out.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    headings: bool = True
    widths: tuple[int, ...] | None = None

    def chosen(self, names: Sequence[str]) -> Table:
        """The columns of these names, in their order; without names, those in which something noteworthy stands."""
        if names:
            places = {column.name: place for place, column in enumerate(self.columns)}
            return self.only([places[name] for name in names])
        usual = [place for place, column in enumerate(self.columns) if not column.extra]
        noteworthy = [
            place for place in usual if any(row[place] not in (None, self.columns[place].usual) for row in self.rows)
        ]
        return self.only(noteworthy if self.rows else usual)

    def only(self, places: Sequence[int]) -> Table:
        """The columns at these places."""
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            rows=tuple(tuple(row[place] for place in places) for row in self.rows),
        )

    def fitting(self, width: int, *, all_columns: bool = False) -> tuple[list[Table], list[str]]:
        """The table as it fits a terminal.

        Args:
            width: of the terminal, in characters.
            all_columns: leave none out; what has no room stands below.

        Returns:
            one table, or several to be shown below each other, and the names of the columns that are left out.
        """
        widths = [self._width(place) for place in range(len(self.columns))]
        kept = list(range(len(self.columns)))
        for place in sorted(kept, key=lambda place: -self.columns[place].rank):
            if all_columns or _total(widths, kept) <= width or self.columns[place].rank == 0:
                break
            kept.remove(place)
        left_out = [column.name for place, column in enumerate(self.columns) if place not in kept]
        return [self.only(places) for places in self._stacked(kept, widths, width)], left_out

    def _stacked(self, places: Sequence[int], widths: Sequence[int], width: int) -> Iterator[list[int]]:
        """The places of columns for each of the tables to be shown below each other."""
        keys = [place for place in places if self.columns[place].key]
        block = list(keys)
        for place in places:
            if place in keys:
                continue
            if len(block) > len(keys) and _total(widths, [*block, place]) > width:
                yield block
                block = list(keys)
            block.append(place)
        yield sorted(block, key=list(places).index)

    def narrowed(self, width: int) -> Table | None:
        """The table with the widths of its columns, for rows like its own; columns that fold give way.

        Args:
            width: of the terminal, in characters.

        Returns:
            None where it does not fit however much they fold.
        """
        widths = [self._width(place, folded=False) for place in range(len(self.columns))]
        folding = [place for place, column in enumerate(self.columns) if column.folds]
        for _ in range(_total(widths, range(len(widths))) - width):
            widest = max(folding, key=lambda place: widths[place], default=None)
            if widest is None or widths[widest] <= _FOLDED:
                return None
            widths[widest] -= 1
        return replace(self, widths=tuple(widths))

    def _width(self, place: int, *, folded: bool = True) -> int:
        from rich.cells import cell_len

        column = self.columns[place]
        texts = (column.text(row[place]) for row in self.rows)
        headings = (column.heading, column.unit) if self.headings else ()
        widest = max(map(cell_len, (*headings, *texts)), default=0)
        return min(widest, _FOLDED) if column.folds and folded else widest

    def to_rich(self) -> RichTable:
        """For :class:`rich.console.Console`."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(
            box=box.SIMPLE_HEAD if self.headings else None,
            padding=(0, _GAP - 1 if self.headings else _GAP, 0, 0),
            pad_edge=False,
            show_edge=False,
            show_header=self.headings,
        )
        units = any(column.unit for column in self.columns)
        for place, column in enumerate(self.columns):
            title = f"{column.heading}\n{column.unit}" if units else column.heading
            drawn.add_column(
                Text(title, style="bold"),
                justify="left" if column.figures is None else "right",
                overflow="fold",
                width=self.widths[place] if self.widths else None,
            )
        for row in self.rows:
            drawn.add_row(
                *(
                    Text(column.text(cell), style=cell.style if isinstance(cell, Styled) else "")
                    for column, cell in zip(self.columns, row, strict=True)
                )
            )
        return drawn

    def to_csv(self) -> str:
        """With numbers in full precision, nothing for what is unknown, and units in the headings."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.headings:
            writer.writerow(_with_unit(column.name, column) for column in self.columns)
        for row in self.rows:
            writer.writerow(_plain(cell, column) for cell, column in zip(row, self.columns, strict=True))
        return text.getvalue().rstrip("\n")

    def to_markdown(self) -> str:
        """In GitHub's notation."""
        rules = ("---" if column.figures is None else "---:" for column in self.columns)
        titles = [_escaped(_with_unit(column.heading, column)) for column in self.columns]
        lines = [titles, list(rules)] if self.headings else []
        for row in self.rows:
            lines.append([_escaped(column.text(cell)) for column, cell in zip(self.columns, row, strict=True)])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _with_unit(name: str, column: Column) -> str:
    return f"{name} ({column.unit})" if column.unit else name


def _total(widths: Sequence[int], places: Sequence[int]) -> int:
    return sum(widths[place] for place in places) + _GAP * (len(places) - 1)


def _plain(cell: Cell, column: Column) -> str:
    if cell is None:
        return ""
    return column.text(cell) if isinstance(cell, str | Span | bool) else f"{cell:.10g}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
