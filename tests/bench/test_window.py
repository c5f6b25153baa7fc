"""The window: rates between two looks, and what the server used between them."""

from __future__ import annotations

import pytest

from earful.bench.figures import ServerFigures
from earful.bench.process import Usage
from earful.bench.window import Look, Window

MB = 1 << 20
BEFORE = Usage({1: 2.0}, 50 * MB)


def window(begin: Usage | None = None, end: Usage | None = None, *, chunks: int = 2000, left: int = 128) -> Window:
    """Ten seconds, 200 chunks and 150 answers a second, 130 sessions at first and so many `left`."""
    return Window(Look(100.0, 500, 300, begin, 130), Look(110.0, 500 + chunks, 1800, end, left))


def test_rates_are_those_between_the_looks() -> None:
    """What came before does not count."""
    assert (10.0, 200.0, 150.0) == (window().seconds, window().chunks_per_s, window().answers_per_s)


def test_the_servers_share_is_that_of_its_whole_tree() -> None:
    """A process that is new counts with all it used, one that is gone no more."""
    seen = window(Usage({1: 3.0, 2: 9.0}, 60 * MB), Usage({1: 4.5, 3: 0.5}, 54 * MB)).server(BEFORE)
    assert pytest.approx(20.0) == seen.cpu_pct
    assert pytest.approx(1000.0) == seen.cpu_us_per_chunk
    assert (50.0, 54.0, 32.0) == (seen.resident_mb_start, seen.resident_mb_end, seen.kb_per_session)


@pytest.mark.parametrize(
    ("before", "begin", "end"), [(None, BEFORE, BEFORE), (BEFORE, None, BEFORE), (BEFORE, BEFORE, None)]
)
def test_without_a_process_nothing_is_known(before: Usage | None, begin: Usage | None, end: Usage | None) -> None:
    """And nothing is said."""
    assert ServerFigures() == window(begin, end).server(before)


def test_nothing_is_divided_by_nobody() -> None:
    """No chunk, no session: no figure."""
    seen = window(BEFORE, BEFORE, chunks=0, left=0).server(BEFORE)
    assert (None, None, 0.0) == (seen.cpu_us_per_chunk, seen.kb_per_session, seen.cpu_pct)
