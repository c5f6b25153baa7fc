"""The timers of a session, on a float for a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.protocol.states import Input
from earful.session.deadlines import REPLAY_S, Deadlines
from earful.session.rules import SessionLimits

LIMITS = SessionLimits(idle_timeout_s=60, max_session_s=1_000, stall_timeout_s=120)


def test_a_silent_client_is_idle() -> None:
    """After `idle_timeout_s` and not before."""
    deadlines = Deadlines(LIMITS, 100.0)
    assert 160.0 == deadlines.due
    assert deadlines.passed(159.9) is None
    assert Input.IDLE is deadlines.passed(160.0)


def test_a_client_that_says_something_is_not_idle() -> None:
    """Idle time counts from the last sign of life; `due` moves on only when it is looked at."""
    deadlines = Deadlines(LIMITS, 100.0)
    deadlines.heard(150.0)
    assert 160.0 == deadlines.due
    assert deadlines.passed(160.0) is None
    assert 210.0 == deadlines.due
    assert Input.IDLE is deadlines.passed(210.0)


def test_a_session_has_a_greatest_length() -> None:
    """However much the client says, held or not."""
    for held in (False, True):
        deadlines = Deadlines(LIMITS, 0.0)
        deadlines.heard(999.0)
        assert deadlines.passed(999.0) is None
        if held:
            deadlines.hold(999.0)
        assert 1_000.0 == deadlines.due
        assert Input.AGED is deadlines.passed(1_000.0)


def test_while_it_is_not_read_a_client_is_not_judged() -> None:
    """Idle time stands still while held and counts anew from the release; only the stall is bounded."""
    deadlines = Deadlines(LIMITS, 0.0)
    held = [deadlines.is_held]
    deadlines.hold(50.0)
    held.append(deadlines.is_held)
    assert deadlines.passed(169.0) is None
    deadlines.release(169.0)
    assert [False, True, False] == [*held, deadlines.is_held]
    assert deadlines.passed(228.0) is None
    assert Input.IDLE is deadlines.passed(229.0)


def test_not_being_read_for_too_long_is_a_stall() -> None:
    """After `stall_timeout_s` of one hold."""
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.hold(50.0)
    assert 170.0 == deadlines.due
    assert Input.STALLED is deadlines.passed(170.0)


steps = st.lists(st.tuples(st.sampled_from(["heard", "hold", "release"]), st.floats(0, 100)), max_size=20)


@given(steps, st.floats(0, 300))
def test_nothing_passes_before_it_is_due(taken: list[tuple[str, float]], later: float) -> None:
    """Whoever looks only once `due` is reached misses nothing."""
    deadlines, now = Deadlines(LIMITS, 0.0), 0.0
    for step, seconds in taken:
        now += seconds
        if deadlines.passed(now) is not None:
            return
        getattr(deadlines, step)(now)
    looked_early, due = deadlines.passed(now + later), deadlines.due
    assert looked_early is None or now + later >= due


def test_a_session_that_began_earlier_is_older() -> None:
    """Its greatest length counts from its beginning; where that is near or over there is time for a replay."""
    deadlines = Deadlines(LIMITS, 100.0)
    deadlines.resume(-890.0, 101.0)
    assert 110.0 == deadlines.due
    deadlines.resume(-2_000.0, 101.0)
    assert 101.0 + REPLAY_S == deadlines.due
    deadlines.resume(90.0, 101.0)
    assert 161.0 == deadlines.due
