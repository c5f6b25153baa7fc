"""When a client tries again: by the schedule, spread by chance, as the server says, and not for ever."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.client.losses import Advice, Loss
from earful.client.outage import BACKOFF_MS, Outage

LOST = Loss(Advice.RESUME, "Lost.")


def longest() -> float:
    """The most that chance can draw."""
    return 1.0


def test_waits_grow_by_the_schedule() -> None:
    """And stay at its end."""
    outage = Outage(1000.0, 0.0, longest)
    waits_ms = [outage.next_wait_s(LOST, 0.0) * 1000 for _ in range(9)]
    assert [*BACKOFF_MS, 5000, 5000] == waits_ms


@given(st.floats(0, 1), st.lists(st.sampled_from([Advice.RESUME, Advice.RESUME_AT_ONCE, Advice.START_ANEW])))
def test_a_wait_is_drawn_from_all_of_its_step(drawn: float, losses: list[Advice]) -> None:
    """Full jitter: from nothing to the step's end, which is a second at least for those who all begin again."""
    outage = Outage(math.inf, 0.0, lambda: drawn)
    for nth, advice in enumerate(losses):
        step_ms = BACKOFF_MS[min(nth, len(BACKOFF_MS) - 1)]
        longest_ms = max(step_ms, 1000) if advice is Advice.START_ANEW else step_ms
        at_once = advice is Advice.RESUME_AT_ONCE and nth == 0
        expected = 0.0 if at_once else drawn * longest_ms / 1000
        assert expected == pytest.approx(outage.next_wait_s(Loss(advice, ""), 0.0))


def test_the_server_is_left_as_long_as_it_asked() -> None:
    """And then as long as chance says: those who were told the same do not all come at once."""
    outage = Outage(120.0, 0.0, longest)
    assert 2.01 == pytest.approx(outage.next_wait_s(Loss(Advice.RESUME, "", retry_after_s=2.0), 0.0))


def test_a_window_ends() -> None:
    """A try that would come after it is none."""
    outage = Outage(2.0, 100.0, longest)
    assert 0.01 == outage.next_wait_s(LOST, 101.0)
    assert math.inf == outage.next_wait_s(LOST, 101.96)
    assert math.inf == Outage(2.0, 0.0, longest).next_wait_s(Loss(Advice.RESUME, "", retry_after_s=3.0), 0.0)
