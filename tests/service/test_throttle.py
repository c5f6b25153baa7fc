"""The token bucket over messages: what passes, when it closes, and that it opens again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.service.throttle import Throttle


def test_a_second_of_messages_passes_at_once() -> None:
    """And not one more."""
    throttle = Throttle(10, 5.0)
    assert [False] * 10 + [True] == [throttle.is_closed_by_one_more(5.0) for _ in range(11)]
    assert throttle.is_closed


def test_it_opens_when_a_message_is_earned() -> None:
    """The debt is paid first."""
    throttle = Throttle(10, 0.0)
    for _ in range(12):
        throttle.is_closed_by_one_more(0.0)
    assert [True, True, False] == [throttle.holds(now) for now in (0.0, 0.25, 0.31)]
    assert not throttle.is_closed
    assert not throttle.holds(0.31)


def test_time_earns_no_more_than_a_second() -> None:
    """However long nothing came."""
    throttle = Throttle(3, 0.0)
    for _ in range(4):
        throttle.is_closed_by_one_more(0.0)
    assert not throttle.holds(1000.0)
    assert [False, False, False, True] == [throttle.is_closed_by_one_more(1000.0) for _ in range(4)]


def test_a_client_within_its_rate_is_never_held() -> None:
    """Also when it used up its second at the start."""
    throttle = Throttle(100, 0.0)
    assert not any(throttle.is_closed_by_one_more(nth / 100) for nth in range(1000))


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=300), st.integers(1, 50))
def test_no_more_passes_than_the_rate_allows(pauses_s: list[float], rate_per_s: int) -> None:
    """Counting only what comes while it is open: a second's worth, and what time earned."""
    throttle = Throttle(rate_per_s, 0.0)
    now, passed = 0.0, 0
    for pause_s in pauses_s:
        now += pause_s
        if not throttle.holds(now):
            throttle.is_closed_by_one_more(now)
            passed += 1
    assert passed <= rate_per_s + now * rate_per_s + 1.001
