"""Token buckets by name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.service.buckets import Buckets


def test_each_name_has_its_own() -> None:
    """A second's worth at once, then by its rate."""
    buckets = Buckets()
    assert [True, True, False] == [buckets.take("a", 2.0, 0.0) for _ in range(3)]
    assert buckets.take("b", 2.0, 0.0)
    assert [True, False] == [buckets.take("a", 2.0, 0.5) for _ in range(2)]


def test_a_new_rate_holds_at_once() -> None:
    """For what is earned from now on: with what was in the bucket, as far as it has room there."""
    buckets = Buckets()
    assert [True, False] == [buckets.take("a", 1.0, 0.0) for _ in range(2)]
    assert [False, False] == [buckets.take("a", rate_per_s, 0.0) for rate_per_s in (3.0, 1.0)]
    assert [True, False] == [buckets.take("a", 3.0, 2.0) for _ in range(2)]
    assert [True, True, True, False] == [buckets.take("a", 3.0, 3.0) for _ in range(4)]
    assert [True, False] == [buckets.take("b", rate_per_s, 0.0) for rate_per_s in (1.0, 100.0)]
    assert [True, True, True, False] == [buckets.take("c", rate_per_s, 0.0) for rate_per_s in (100.0, 2.0, 2.0, 2.0)]


@given(st.lists(st.integers(0, 50), max_size=200))
def test_there_are_never_more_than_there_is_room_for(names: list[int]) -> None:
    """However many names are made up; what was asked for last stays."""
    buckets = Buckets(most=5)
    for name in names:
        buckets.take(str(name), 1.0, 0.0)
        assert len(buckets) <= 5
        assert not buckets.take(str(name), 1.0, 0.0)


def test_what_is_given_back_can_be_taken_again() -> None:
    """Once for each time, and never more than there was; a name that nobody asked for has nothing to give back."""
    buckets = Buckets()
    assert [True, True, False] == [buckets.take("a", 2.0, 0.0) for _ in range(3)]
    buckets.give_back("a")
    assert [True, False] == [buckets.take("a", 2.0, 0.0) for _ in range(2)]
    for _ in range(5):
        buckets.give_back("a")
    assert [True, True, False] == [buckets.take("a", 2.0, 0.0) for _ in range(3)]
    buckets.give_back("b")
    assert 1 == len(buckets)


def test_somebody_may_know_better() -> None:
    """Of more that was taken under a name; of names that nobody has asked for nothing is kept."""
    buckets = Buckets()
    assert buckets.take("a", 2.0, 0.0)
    buckets.settle("a", -1.0, 0.0)
    buckets.settle("b", -1.0, 0.0)
    assert ([False, True], 1) == ([buckets.take("a", 2.0, now) for now in (0.9, 1.0)], len(buckets))
    assert buckets.take("b", 2.0, 0.0)
