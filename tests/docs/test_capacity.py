"""The capacity page is what its command makes of the file that ships."""

from __future__ import annotations

from scripts.capacity_page import FILE, PAGE, page_of
from tests.support.capacities import GRID, point

from earful.planning.capacity import Capacity


def test_the_page_is_that_of_the_file() -> None:
    """Word for word; `python scripts/capacity_page.py` makes it anew."""
    assert page_of(Capacity.parse(FILE.read_bytes())) == PAGE.read_text("utf-8")


def test_the_page_has_every_point_and_says_where_it_was_measured() -> None:
    """Of any file."""
    page = page_of(GRID)
    assert 6 == page.count(" ms | 1 |") + page.count(" ms | 0.4 |")
    assert "A processor, 2 of them; earful 1." in page


def test_the_command_takes_as_long_as_it_says() -> None:
    """With its own seconds a step, whatever those of the file were."""
    assert "It takes about 20\nminutes:" in page_of(Capacity(points=GRID.points[:1], seconds=4.0))


def test_points_that_may_hold_more_are_marked() -> None:
    """By who was late, or who refused."""
    points = [point(20, streams=25, is_refusal_bound=True), point(100, streams=1100, is_generator_bound=True)]
    page = page_of(Capacity(points=points))
    assert "| 20 ms | 1 | 25* |" in page
    assert "| 100 ms | 1 | 1,100+ |" in page
