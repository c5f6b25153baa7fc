"""A table that fits: whole columns go where it is too narrow, the least important first, and rows where it is too low.

Guarantees that no cell is cut but those of the first column, which only are where that alone is too wide, and that
what went is known. Used by `dashboard.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

_GAP = 2
"""Between two columns; rich's padding."""


class Column(NamedTuple):
    """A heading; of columns with a `rank` the highest goes first, 0 always stays."""

    name: str
    rank: int = 0
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows below the headings; `left_out` are the columns for which there is no room."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    left_out: Sequence[str] = ()

    def fit(self, width: int) -> Grid:
        """With as many columns as find room, judged by all rows."""
        grid = self
        while grid.width > width and (rank := max(column.rank for column in grid.columns)):
            grid = grid._without(next(index for index, column in enumerate(grid.columns) if column.rank == rank))
        return grid

    def first(self, rows: int) -> Grid:
        """With at most so many rows."""
        return Grid(self.columns, self.rows[: max(0, rows)], self.left_out)

    @property
    def width(self) -> int:
        """Of all columns."""
        return sum(self._widths) + _GAP * (len(self.columns) - 1)

    def table(self) -> Table:
        """As rich draws it."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for index, (column, width) in enumerate(zip(self.columns, self._widths, strict=True)):
            justify = "right" if column.is_right else "left"
            table.add_column(column.name, justify=justify, no_wrap=True, min_width=width if index else None)  # type: ignore[arg-type]  # one of two words
        for row in self.rows:
            table.add_row(*row)
        return table

    @property
    def _widths(self) -> list[int]:
        cells = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return [
            max(len(column.name), *(cell.cell_len for cell in found)) if found else len(column.name)
            for column, found in zip(self.columns, cells, strict=True)
        ]

    def _without(self, index: int) -> Grid:
        columns = [column for at, column in enumerate(self.columns) if at != index]
        rows = [[cell for at, cell in enumerate(row) if at != index] for row in self.rows]
        return Grid(columns, rows, (*self.left_out, self.columns[index].name))
