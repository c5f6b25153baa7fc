"""How soon a dead process is followed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.backoff import AT_ONCE, LONGEST_DELAY_S, QUICK_S, Backoff

QUICK, SLOW = QUICK_S / 2, QUICK_S * 2


def test_quick_deaths_are_followed_later_and_later() -> None:
    """Five at once, then after twice as long each time, up to a bound."""
    backoff = Backoff()
    delays_s = [backoff.delay_s(QUICK, was_ready=True) for _ in range(AT_ONCE + 8)]
    assert [0.0] * AT_ONCE + [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_DELAY_S, LONGEST_DELAY_S] == delays_s


def test_a_long_life_makes_good_for_all() -> None:
    """The row of quick deaths begins anew."""
    backoff = Backoff(quick_deaths=AT_ONCE + 3)
    assert 0.0 == backoff.delay_s(SLOW, was_ready=True)
    assert [0.0] * AT_ONCE == [backoff.delay_s(QUICK, was_ready=True) for _ in range(AT_ONCE)]


def test_one_killed_every_three_seconds_is_always_followed_at_once() -> None:
    """That is trouble from outside."""
    backoff = Backoff()
    assert {0.0} == {backoff.delay_s(3.0, was_ready=True) for _ in range(100)}


def test_who_was_never_ready_died_quickly() -> None:
    """However long its model loaded before it failed."""
    backoff = Backoff()
    assert 0.1 == [backoff.delay_s(60.0, was_ready=False) for _ in range(AT_ONCE + 1)][-1]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans())))
def test_no_row_of_deaths_makes_a_delay_too_long(deaths: list[tuple[float, bool]]) -> None:
    """Nor one below nothing."""
    backoff = Backoff()
    assert all(0 <= backoff.delay_s(lived_s, was_ready=ready) <= LONGEST_DELAY_S for lived_s, ready in deaths)


def test_a_very_long_row_is_no_large_number() -> None:
    """Two to its power would be."""
    assert LONGEST_DELAY_S == Backoff(quick_deaths=100_000).delay_s(0, was_ready=False)
