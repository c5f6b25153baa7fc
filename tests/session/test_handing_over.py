"""A session that goes on elsewhere: what it still tells, and what it leaves."""

from __future__ import annotations

import pytest
from tests.session.recordings import silence
from tests.session.talk import SPEAKING, Talk, errors, heard, mark_of, resume, whole

from earful.errors import CloseCode
from earful.protocol.messages import (
    Closing,
    Final,
    Flush,
    Flushed,
    Start,
    Stop,
)
from earful.protocol.states import Input, State
from earful.session.endings import Close

QUIET = silence(0.1)


def test_a_hand_over_delivers_what_has_ended_and_leaves_the_rest() -> None:
    """`closing`, the final owed with its cursor, 4201, and no error; the open utterance is heard elsewhere."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Flush("x"))
    talk.audio(SPEAKING)
    work = talk.work()
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    assert ([Closing("drain", 5_000, resume=True)], None) == (talk.take(), talk.session.closing)
    assert [] == talk.audio(SPEAKING)
    talk.deliver(work, whole("all of it"))
    assert [Final, Flushed] == [type(message) for message in talk.said[-2:]]
    assert (1, []) == (mark_of(talk.finals()[0]).index, talk.codes())
    assert Close(CloseCode.DRAINED, "handed_over") == talk.session.closing


def test_a_hand_over_waits_for_no_open_utterance() -> None:
    """What its model still answers is not told."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    work = talk.work()
    talk.send(Flush("x"))
    talk.audio(SPEAKING)
    talk.deliver(work, whole("so far"))
    talk.deliver(talk.work(), whole("one"))
    open_work = talk.work()
    talk.send(Flush("y"))
    talk.audio(SPEAKING)
    talk.session.end(Input.HAND_OVER, 0.0)
    talk.deliver(open_work, whole("two"))
    talk.deliver(talk.work(), whole("two."))
    assert [0, 1] == [final.index for final in talk.finals()]
    assert Close(CloseCode.DRAINED, "handed_over") == talk.session.closing


def test_a_hand_over_can_be_taken_back() -> None:
    """Until it is done: where nobody is left to go on, the open utterance gets its final here, then 1012."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    work = talk.work()
    talk.send(Flush("x"))
    talk.audio(SPEAKING)
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    talk.deliver(work, heard("all of it"))
    for _ in range(2):
        talk.session.end(Input.DRAIN, 1.0)
    talk.model()
    assert [(0, "flush"), (1, "drain")] == [(final.index, final.reason) for final in talk.finals()]
    assert ([("draining", None, True)], Close(CloseCode.RESTART, "draining")) == (errors(talk), talk.session.closing)


def test_a_deletion_takes_a_hand_over_back() -> None:
    """The session ends here, for good: the open utterance gets its final, then 1000."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    work = talk.work()
    talk.send(Flush("x"))
    talk.audio(SPEAKING)
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    talk.deliver(work, heard("all of it"))
    talk.session.end(Input.END, 1.0)
    talk.model()
    assert [0, 1] == [final.index for final in talk.finals()]
    assert Close(CloseCode.NORMAL, "deleted") == talk.session.closing


def test_a_hand_over_that_is_done_is_not_taken_back() -> None:
    """Its client is on its way."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    talk.take()
    talk.session.end(Input.DRAIN, 1.0)
    assert [] == talk.take()
    assert Close(CloseCode.DRAINED, "handed_over") == talk.session.closing


def test_a_session_that_has_stopped_is_not_handed_over_before_its_time() -> None:
    """It goes on answering; when time is up its client gets the rest elsewhere."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Stop())
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    assert ([], None) == (talk.take(), talk.session.closing)
    talk.session.leave()
    assert [Closing("drain", 0, resume=True)] == talk.take()
    assert Close(CloseCode.DRAINED, "handed_over") == talk.session.closing


def test_leaving_tells_of_it_once() -> None:
    """And an end that has been reached stays."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Flush("x"))
    talk.session.end(Input.HAND_OVER, 0.0, deadline_ms=5_000)
    talk.session.leave()
    talk.session.leave()
    assert [Closing("drain", 5_000, resume=True)] == talk.take()
    assert (Close(CloseCode.DRAINED, "handed_over"), State.CLOSED) == (talk.session.closing, talk.session.state)


@pytest.mark.parametrize("has_asked", [False, True])
@pytest.mark.parametrize("do", ["end", "leave"])
def test_who_has_a_cursor_and_no_session_yet_is_sent_on(has_asked: bool, do: str) -> None:  # noqa: FBT001 - parameter
    """`draining`, but 4201: its session has not begun here."""
    talk = Talk(start=resume() if has_asked else None, verdict=None)
    assert has_asked == talk.session.can_resume
    talk.session.opening.is_returning = True
    assert talk.session.can_resume
    if do == "end":
        talk.session.end(Input.HAND_OVER, 0.0)
    else:
        talk.session.leave()
    talk.take()
    assert [("draining", None, True)] == errors(talk)
    assert Close(CloseCode.DRAINED, "draining") == talk.session.closing


def test_who_begins_has_no_cursor_before_started() -> None:
    """And who began without `start` never has."""
    pending, plain = Talk(start=Start(), verdict=None), Talk()
    plain.session.opening.is_returning = True
    plain.audio(QUIET)
    assert [False, False] == [talk.session.can_resume for talk in (pending, plain)]
    assert Talk(start=Start()).session.can_resume
