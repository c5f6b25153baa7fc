"""Which works go into the next batch: tables, and a run in which nobody is served less than the others."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.engine.batching import take_batch


@dataclass(frozen=True)
class Item:
    """A work by its place in the order of arrival."""

    number: int
    alone: bool = False


def queue(kinds: str) -> deque[Item]:
    """A work for each letter, oldest first; "a" must be alone."""
    return deque(Item(number, kind == "a") for number, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("kinds", "free", "max_batch", "taken", "left"),
    [
        ("", None, None, [], []),
        ("...", None, None, [0, 1, 2], []),
        ("...", 1, None, [0, 1, 2], []),
        ("...", 0, None, [], [0, 1, 2]),
        ("...", -1, None, [], [0, 1, 2]),
        ("....", None, 3, [0, 1, 2], [3]),
        ("..", 2, 3, [0, 1], []),
        (".a.", None, None, [0, 2], [1]),
        ("a..", None, None, [0], [1, 2]),
        ("aa", None, None, [0], [1]),
        (".a.a..", None, 3, [0, 2, 4], [1, 3, 5]),
        (".a", None, 1, [0], [1]),
    ],
)
def test_the_oldest_go_together(
    kinds: str, free: int | None, max_batch: int | None, taken: list[int], left: list[int]
) -> None:
    """As many as may, and what must be alone is alone; the others stay in order."""
    ready = queue(kinds)
    assert taken == [item.number for item in take_batch(ready, free, max_batch)]
    assert left == [item.number for item in ready]


@given(kinds=st.text("..a", max_size=30), free=st.none() | st.integers(1, 3), max_batch=st.none() | st.integers(1, 9))
def test_everything_is_taken_once_and_the_oldest_always(kinds: str, free: int | None, max_batch: int | None) -> None:
    """Each batch has the oldest that is left, keeps the order and its bound, and shares nothing with who is alone."""
    ready, seen = queue(kinds), []
    while ready:
        oldest = ready[0]
        batch = take_batch(ready, free, max_batch)
        assert oldest == batch[0]
        assert len(batch) <= (max_batch or 30)
        assert 1 == len(batch) or not any(item.alone for item in batch)
        assert batch == sorted(batch, key=lambda item: item.number)
        seen += [item.number for item in batch]
    assert list(range(len(kinds))) == sorted(seen)


@given(
    sessions=st.integers(1, 60),
    suspects=st.sets(st.integers(0, 59), max_size=3),
    max_batch=st.none() | st.integers(1, 40),
)
def test_nobody_is_served_less(sessions: int, suspects: set[int], max_batch: int | None) -> None:
    """With more to say than the model can hear, the longest-served has at most a tenth more than the least-served."""
    ready = deque(Item(number, number in suspects) for number in range(sessions))
    served: Counter[int] = Counter(dict.fromkeys(range(sessions), 0))
    while min(served.values()) < 40:
        batch = take_batch(ready, 1, max_batch)
        served.update(item.number for item in batch)
        ready.extend(batch)
    innocent = [served[number] for number in range(sessions) if number not in suspects] or [1]
    assert max(innocent) <= 1.1 * min(innocent)
