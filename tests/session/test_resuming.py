"""A resumed session goes on as the one it was: numbers, flushes, its end, its age."""

from __future__ import annotations

import pytest
from tests.session.recordings import silence
from tests.session.talk import BEGAN, SPEAKING, Talk, errors, resume

from earful.errors import CloseCode
from earful.protocol.cursor import Cursor, Position
from earful.protocol.messages import (
    AudioChunk,
    Final,
    Flush,
    Flushed,
    Stop,
)
from earful.session.deadlines import REPLAY_S
from earful.session.endings import Close
from earful.session.rules import SessionLimits


def test_numbers_go_on_where_the_cursor_stands() -> None:
    """Lower ones are repeats, a gap is fatal and names what was expected."""
    talk = Talk(start=resume())
    talk.send(AudioChunk(b"", 40), AudioChunk(b"", 41), AudioChunk(b"", 43))
    assert [("sequence_repeated", 40, False), ("sequence_gap", 43, True)] == errors(talk)
    assert 42 == getattr(talk.said[-1], "expected", None)


def test_a_flush_before_all_audio_is_answered_at_once() -> None:
    """It followed a chunk that is not sent again: nothing of it is open."""
    talk = Talk(start=resume(Cursor("s", BEGAN, position=Position(7, 0, 9_600, index=1))))
    assert [Flushed("x", 6)] == talk.send(Flush("x"))


def test_stop_alone_is_answered_with_the_last_final() -> None:
    """Its place and number are those of the cursor."""
    talk = Talk(start=resume(Cursor("s", BEGAN, position=Position(7, 0, 9_600, index=1))))
    (final,) = talk.send(Stop())
    assert isinstance(final, Final)
    assert (1, 600, 600, 6, True) == (final.index, final.start_ms, final.end_ms, final.sequence, final.last)


def test_speed_counts_from_the_sessions_beginning() -> None:
    """A replay is never too fast, and a session does not grow faster by being resumed."""
    limits = SessionLimits(max_speed=2)
    start = resume(Cursor("s", BEGAN - 100, position=Position(7, 0, 16_000 * 200)))
    talk = Talk(start=start, limits=limits)
    talk.audio(silence(30), 320_000)
    assert talk.session.closing is None
    talk.audio(silence(0.1))
    assert Close(CloseCode.TOO_FAST, "audio_too_fast") == talk.session.closing


def test_the_greatest_length_counts_from_the_sessions_beginning() -> None:
    """In every worker."""
    talk = Talk(start=resume(Cursor("s", BEGAN - 100)), limits=SessionLimits(max_session_s=130, idle_timeout_s=1_000))
    assert (-100.0, 30.0) == (talk.session.began_at, talk.session.due)
    assert [] == talk.tick(29.9)
    talk.tick(30.0)
    assert Close(CloseCode.IDLE, "session_too_long") == talk.session.closing


@pytest.mark.parametrize("age_s", [98, 150, 220])
def test_a_session_resumed_at_its_end_has_time_for_the_replay(age_s: int) -> None:
    """What its client kept is still heard."""
    limits = SessionLimits(max_session_s=100)
    talk = Talk(start=resume(Cursor("s", BEGAN - age_s)), limits=limits)
    assert REPLAY_S == talk.session.due
    talk.audio(SPEAKING)
    talk.tick(REPLAY_S)
    talk.model()
    assert ["ended"] == [final.reason for final in talk.finals()]
