"""The rate of new sessions: what may begin at once and after a while, and that resumes go first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.service.arrivals import Arrivals


def begun(arrivals: Arrivals, now: float, tries: int, share: float = 1.0) -> int:
    """How many of those who try at once begin."""
    count = 0
    for _ in range(tries):
        if arrivals.has_room(now, share):
            arrivals.note()
            count += 1
    return count


def test_a_second_of_sessions_begins_at_once() -> None:
    """And later as many as the time has earned, or the share of it that there is."""
    arrivals = Arrivals(10, 5.0)
    assert 10 == begun(arrivals, 5.0, 30)
    assert [2, 1] == [begun(arrivals, 5.25, 30), begun(arrivals, 5.5, 30, share=0.25)]
    assert 10 == begun(arrivals, 60.0, 30)


def test_less_than_one_a_second_begins_too() -> None:
    """One at once, the next when it is earned."""
    arrivals = Arrivals(0.1, 0.0)
    assert [1, 0, 1] == [begun(arrivals, now, 5) for now in (0.0, 9.0, 10.5)]


def test_no_rate_is_no_limit() -> None:
    """However many there are."""
    assert 5000 == begun(Arrivals(0, 0.0), 0.0, 5000)


def test_who_is_new_waits_for_those_who_resume() -> None:
    """But for no more than a second's worth of them."""
    arrivals = Arrivals(10, 0.0)
    for _ in range(1000):
        arrivals.note()
    assert [False, False, True] == [arrivals.has_room(now) for now in (0.0, 1.0, 1.11)]


@given(
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50), st.sampled_from([0.25, 0.5, 1.0])), max_size=30),
)
def test_it_never_lets_more_begin_than_the_rate(rate_per_s: float, steps: list[tuple[float, int, float]]) -> None:
    """Over any time, plus what may begin at once."""
    arrivals, now, count = Arrivals(rate_per_s, 0.0), 0.0, 0
    for wait_s, tries, share in steps:
        now += wait_s
        count += begun(arrivals, now, tries, share)
    assert count <= max(1.0, rate_per_s) + rate_per_s * now + 1e-6
