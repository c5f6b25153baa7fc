"""The timeline: a cell for each moment within it."""

from __future__ import annotations

import pytest

from earful.bench.scenario.timeline import Timeline


@pytest.mark.parametrize(("seconds", "cells"), [(0.5, 1), (3.0, 3), (3.4, 4), (55.0, 55)])
def test_there_are_as_many_cells_as_are_needed(seconds: float, cells: int) -> None:
    """One at least; the last may be longer than what is left."""
    assert cells == len(Timeline(10.0, 1.0, seconds).cells)


def test_a_moment_has_its_cell() -> None:
    """Its beginning belongs to it; before the first and after the last there is none."""
    line = Timeline(10.0, 2.0, 4.0)
    first, second = line.cells
    assert [None, first, first, second, None] == [line.at(at_s) for at_s in (9.9, 10.0, 11.9, 12.0, 14.0)]
