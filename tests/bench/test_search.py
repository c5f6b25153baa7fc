"""The search: from any first try to within 5 %, in a bounded number of steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.bench.search import MAX_STREAMS, Search


def tried(first: int, most: int) -> tuple[Search, list[int]]:
    """What is tried where up to `most` streams hold."""
    search, steps = Search(first), []
    while (streams := search.next()) is not None:
        steps.append(streams)
        search.judge(streams, held=streams <= most)
    return search, steps


@pytest.mark.parametrize(
    ("first", "most", "steps", "holds"),
    [
        (100, 1000, [100, 200, 400, 800, 1600, 1600, 1200, 1200, 1000, 1100, 1100, 1050, 1050], 1000),
        (100, 30, [100, 100, 50, 50, 25, 37, 37, 31, 31, 28, 29, 30], 30),
        (1, 3, [1, 2, 4, 4, 3], 3),
        (1, 0, [1, 1], 0),
        (4, 0, [4, 4, 2, 2, 1, 1], 0),
        (60_000, 10**6, [60_000, 100_000], 100_000),
        (200_000, 10**6, [100_000], 100_000),
    ],
)
def test_doubled_then_halved_between(first: int, most: int, steps: list[int], holds: int) -> None:
    """Each number that holds once, and each that does not twice."""
    search, found = tried(first, most)
    assert (steps, holds) == (found, search.holds)


@given(first=st.integers(1, MAX_STREAMS), most=st.integers(0, 2 * MAX_STREAMS))
def test_it_ends_within_a_twentieth(first: int, most: int) -> None:
    """Nothing above what holds, and no more steps than doubling and halving take."""
    search, steps = tried(first, most)
    assert len(steps) <= 60
    assert search.holds <= most
    if search.fails is None:
        assert MAX_STREAMS == search.holds
    else:
        assert search.fails - search.holds <= max(1, 0.05 * search.holds)
        assert most < search.fails


def test_one_failure_is_not_believed() -> None:
    """Of one number after another, each fails at its first try only: all hold."""
    search, failed = Search(100), set[int]()
    while (streams := search.next()) is not None:
        search.judge(streams, held=streams in failed)
        failed.add(streams)
    assert (search.holds, search.fails) == (MAX_STREAMS, None)
