"""Who gets the next sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.planning.balance import to_any, to_the_fewest

if TYPE_CHECKING:
    from earful.planning.balance import Numbers


def numbers(*values: int) -> Numbers:
    """One a worker."""
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("live", "number", "room", "after"),
    [
        ([0, 0, 0], 6, [9, 9, 9], [2, 2, 2]),
        ([5, 1, 0], 3, [9, 9, 9], [5, 2, 2]),
        ([5, 1, 0], 4, [9, 9, 9], [5, 3, 2]),
        ([5, 1, 0], 3, [9, 9, 0], [5, 4, 0]),
        ([8, 8], 9, [9, 9], [9, 9]),
        ([12, 0], 9, [9, 3], [12, 3]),
        ([1, 2], 0, [9, 9], [1, 2]),
        ([0], 4, [0], [0]),
    ],
)
def test_the_fewest_come_first(live: list[int], number: int, room: list[int], after: list[int]) -> None:
    """Until all have as many, or no room."""
    assert after == to_the_fewest(numbers(*live), number, numbers(*room)).tolist()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8), st.integers(0, 400))
def test_as_many_come_as_there_is_room_for(workers: list[tuple[int, int]], number: int) -> None:
    """Nobody leaves, nobody is put where there is none, and one at a time would have ended the same."""
    live, room = numbers(*(it for it, _ in workers)), numbers(*(it for _, it in workers))
    after = to_the_fewest(live, number, room)
    free = int(np.maximum(0, room - live).sum())
    assert min(number, free) == int((after - live).sum())
    slowly = live.copy()
    for _ in range(min(number, free)):
        slowly[int(np.argmin(np.where(slowly < room, slowly, 1000)))] += 1
    assert slowly.tolist() == after.tolist()


def test_any_may_be_a_full_one() -> None:
    """Who comes to it is left out; one that is away gets nobody."""
    chance = np.random.default_rng(1)
    after = to_any(numbers(9, 0, 0), 300, numbers(9, 500, 0), chance)
    assert (9, 0) == (after[0], after[2])
    assert 100 < after[1] < 200
    assert [1, 2] == to_any(numbers(1, 2), 5, numbers(0, 0), chance).tolist()
