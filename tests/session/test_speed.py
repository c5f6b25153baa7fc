"""How fast a session may run, on a float for a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.session.recordings import silence
from tests.session.talk import BEGAN, Talk, resume

from earful.protocol.cursor import Cursor, Position
from earful.session.rules import SessionLimits
from earful.session.speed import ALLOWANCE_S, Speed


def test_a_session_may_be_ahead_of_its_greatest_speed_by_an_allowance() -> None:
    """Counted from its beginning."""
    speed = Speed(4, 100.0)
    assert [False, True] == [speed.is_exceeded(audio_ms, 110.0) for audio_ms in (70_000, 70_001)]
    assert 30 == ALLOWANCE_S


def test_without_a_limit_nothing_is_too_fast() -> None:
    """Resumed or not."""
    speed = Speed(0, 0.0)
    speed.resume(0.0, 10**9, 0.0)
    assert not speed.is_exceeded(10**12, 0.0)


def test_a_resumed_session_has_had_the_time_since_its_beginning() -> None:
    """Where that is known to be long enough; else the time that its audio took at least."""
    speed = Speed(2, 0.0)
    speed.resume(-100.0, 20_000, 0.0)
    assert [False, True] == [speed.is_exceeded(audio_ms, 0.0) for audio_ms in (230_000, 230_001)]
    speed.resume(0.0, 20_000, 0.0)
    assert [False, True] == [speed.is_exceeded(audio_ms, 0.0) for audio_ms in (50_000, 50_001)]


@given(
    most=st.floats(1, 8),
    heard_s=st.integers(0, 14_000),
    skew_s=st.integers(-20_000, 20_000),
    later_s=st.floats(0, 10),
    chunks=st.integers(1, 20),
)
def test_no_clock_makes_an_honest_replay_too_fast(
    most: float, heard_s: int, skew_s: int, later_s: float, chunks: int
) -> None:
    """Its worker's calendar may be ahead of the first one's, or behind: chunks at the greatest speed are heard."""
    limits = SessionLimits(max_speed=most, max_session_s=100_000)
    cursor = Cursor("s", BEGAN, position=Position(7, 0, heard_s * 16_000))
    talk = Talk(limits=limits, unix_s=BEGAN + int(heard_s / most) + 1 + skew_s)
    talk.now = later_s
    talk.send(resume(cursor))
    for _ in range(chunks):
        talk.now += 3 / most
        talk.audio(silence(3), 96_000)
    assert [] == talk.codes()
