"""Tables that fit: columns go by rank, rows from the end, and nothing is cut."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from earful.cli.grid import Column, Grid

COLUMNS = (Column("id"), Column("much", 2), Column("n", 1, is_right=True))
GRID = Grid(COLUMNS, [[Text("abcd"), Text("x"), Text("12 ms")], [Text("e"), Text("y"), Text("3 ms")]])


def drawn(grid: Grid, width: int) -> list[str]:
    """Its lines."""
    console = Console(width=width)
    with console.capture() as captured:
        console.print(grid.table())
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "lines", "left_out"),
    [
        (17, ["id    much      n", "abcd  x     12 ms", "e     y      3 ms"], ()),
        (16, ["id        n", "abcd  12 ms", "e      3 ms"], ("much",)),
        (11, ["id        n", "abcd  12 ms", "e      3 ms"], ("much",)),
        (10, ["id", "abcd", "e"], ("much", "n")),
        (3, ["id", "ab\N{HORIZONTAL ELLIPSIS}", "e"], ("much", "n")),
    ],
)
def test_columns_go_by_their_rank(width: int, lines: list[str], left_out: tuple[str, ...]) -> None:
    """The first stays, and is cut where it alone is too wide."""
    grid = GRID.fit(width)
    assert (lines, left_out) == (drawn(grid, width), grid.left_out)


def test_rows_are_cut_from_the_end() -> None:
    """Down to the headings; columns are as wide as what is left."""
    assert ["id    much      n", "abcd  x     12 ms"] == drawn(GRID.first(1), 80)
    assert (["id  much  n"], ["id  much  n"]) == (drawn(GRID.first(-1), 80), drawn(Grid(COLUMNS, []), 80))
    assert 11 == GRID.first(0).width
