"""What a session does in every state with every input: the table, lived through."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.session.talk import LIMITS, SPEAKING, Talk, whole

from earful.errors import CloseCode, ErrorCode
from earful.protocol.messages import AudioChunk, Error, Final, Flush, Flushed, Keepalive, Start, Started, Stop
from earful.protocol.states import TRANSITIONS, Input, State
from earful.session.endings import Close

if TYPE_CHECKING:
    from collections.abc import Callable


def stall(talk: Talk) -> None:
    """The server reads nothing for `stall_timeout_s`."""
    talk.session.hold(talk.now)
    talk.tick(talk.now + LIMITS.stall_timeout_s)


DO: dict[Input, Callable[[Talk], object]] = {
    Input.AUDIO: lambda talk: talk.send(AudioChunk(b"\0\0")),
    Input.START: lambda talk: talk.send(Start()),
    Input.FLUSH: lambda talk: talk.send(Flush("x")),
    Input.KEEPALIVE: lambda talk: talk.send(Keepalive()),
    Input.STOP: lambda talk: talk.send(Stop()),
    Input.IDLE: lambda talk: talk.tick(talk.now + LIMITS.idle_timeout_s),
    Input.AGED: lambda talk: talk.tick(LIMITS.max_session_s),
    Input.END: lambda talk: talk.session.end(Input.END, talk.now),
    Input.DRAIN: lambda talk: talk.session.end(Input.DRAIN, talk.now),
    Input.HAND_OVER: lambda talk: talk.session.end(Input.HAND_OVER, talk.now),
    Input.ANSWERED: lambda talk: talk.model(),
    Input.STALLED: stall,
    Input.UNREAD: lambda talk: talk.session.fail(ErrorCode.SLOW_READER),
    Input.FATAL: lambda talk: talk.session.fail(ErrorCode.INTERNAL),
    Input.GONE: lambda talk: talk.session.lose("reset"),
}

CLOSES: dict[Input, Close] = {
    Input.STOP: Close(CloseCode.NORMAL, "stop"),
    Input.END: Close(CloseCode.NORMAL, "deleted"),
    Input.IDLE: Close(CloseCode.IDLE, "idle_timeout"),
    Input.AGED: Close(CloseCode.IDLE, "session_too_long"),
    Input.DRAIN: Close(CloseCode.RESTART, "draining"),
    Input.STALLED: Close(CloseCode.INTERNAL, "stalled"),
    Input.UNREAD: Close(CloseCode.SLOW_READER, "slow_reader"),
    Input.FATAL: Close(CloseCode.INTERNAL, "internal"),
    Input.GONE: Close(CloseCode.GOING_AWAY, "reset"),
}
ERROR_BEFORE: dict[Input, ErrorCode] = {
    Input.IDLE: ErrorCode.IDLE_TIMEOUT,
    Input.AGED: ErrorCode.SESSION_TOO_LONG,
    Input.DRAIN: ErrorCode.DRAINING,
    Input.STALLED: ErrorCode.STALLED,
    Input.UNREAD: ErrorCode.SLOW_READER,
    Input.FATAL: ErrorCode.INTERNAL,
}
UNEXPECTED = Close(CloseCode.POLICY, "unexpected_message")
ENDS = [Input.STOP, Input.IDLE, Input.AGED, Input.END, Input.DRAIN]
REASONS = dict(zip(ENDS, ["stop", "idle", "ended", "ended", "drain"], strict=True))
FATALS = [Input.STALLED, Input.UNREAD, Input.FATAL, Input.GONE]
CLIENT = [Input.AUDIO, Input.START, Input.FLUSH, Input.KEEPALIVE, Input.STOP]

either = pytest.mark.parametrize("opted_in", [False, True], ids=["plain", "start"])


def errors_before(happening: Input) -> list[ErrorCode]:
    """What the client is told before the close."""
    return [ERROR_BEFORE[happening]] if happening in ERROR_BEFORE else []


def in_state(state: State, *, opted_in: bool = False) -> Talk:
    """A session that got there, with an utterance open or owed where it can have one."""
    talk = Talk(start=Start() if opted_in else None)
    if state is not State.CREATE:
        talk.audio(SPEAKING)
    if state is State.CLOSING:
        talk.send(Stop())
    elif state is State.CLOSED:
        talk.session.fail(ErrorCode.INTERNAL)
    talk.take()
    return talk


@pytest.mark.parametrize(("state", "happening"), list(product(State, Input)))
def test_a_session_follows_the_table(state: State, happening: Input) -> None:
    """What is not in the table is fatal; where nothing is owed CLOSING is passed through at once.

    Who hands over does not owe the open utterance.
    """
    talk = in_state(state, opted_in=state is not State.CREATE)
    assert state is talk.session.state
    DO[happening](talk)
    expected = TRANSITIONS[state].get(happening, state if happening is Input.ANSWERED else State.CLOSED)
    if expected is State.CLOSING and (state is State.CREATE or (state, happening) == (State.ACTIVE, Input.HAND_OVER)):
        expected = State.CLOSED
    assert expected is talk.session.state
    assert (expected is State.CLOSED) == (talk.session.closing is not None)


@either
@pytest.mark.parametrize("happening", ENDS)
def test_an_end_answers_what_is_owed_and_says_why(happening: Input, opted_in: bool) -> None:  # noqa: FBT001 - parameter
    """The open utterance gets its final, named for the end; then the error, if any; then the close."""
    talk = in_state(State.ACTIVE, opted_in=opted_in)
    DO[happening](talk)
    assert (State.CLOSING, None) == (talk.session.state, talk.session.closing)
    talk.model()
    (final,) = talk.finals()
    assert (REASONS[happening], happening is Input.STOP) == (final.reason, final.last)
    assert errors_before(happening) == talk.codes()
    assert talk.said[-1] is final or isinstance(talk.said[-1], Error)
    assert (State.CLOSED, CLOSES[happening]) == (talk.session.state, talk.session.closing)


@either
@pytest.mark.parametrize(("state", "happening"), list(product([State.CREATE, State.ACTIVE, State.CLOSING], FATALS)))
def test_a_fatal_end_answers_nothing_more(state: State, happening: Input, opted_in: bool) -> None:  # noqa: FBT001 - parameter
    """The error, where there is a peer to tell, and the close; results that come later are dropped."""
    talk = in_state(state, opted_in=opted_in and state is not State.CREATE)
    work = talk.session.take_work()
    DO[happening](talk)
    talk.take()
    assert CLOSES[happening] == talk.session.closing
    assert errors_before(happening) == talk.codes()
    assert all(message.fatal for message in talk.said if isinstance(message, Error))
    if work is not None:
        talk.deliver(work, whole("late"))
    assert [] == talk.take() == talk.finals()


@pytest.mark.parametrize("happening", [Input.FLUSH, Input.KEEPALIVE])
@pytest.mark.parametrize("state", [State.CREATE, State.ACTIVE])
def test_what_needs_start_ends_a_session_without_it(state: State, happening: Input) -> None:
    """Flush and keepalive are for those who opted in."""
    talk = in_state(state)
    DO[happening](talk)
    assert (State.CLOSED, UNEXPECTED) == (talk.session.state, talk.session.closing)
    assert ["unexpected_message"] == talk.codes()


@either
def test_start_comes_first_or_not_at_all(opted_in: bool) -> None:  # noqa: FBT001 - parameter
    """A start after audio or after another start is fatal."""
    talk = in_state(State.ACTIVE, opted_in=opted_in)
    (told,) = talk.send(Start())
    assert isinstance(told, Error)
    assert ("unexpected_message", True) == (told.code, told.fatal)
    assert UNEXPECTED == talk.session.closing


@either
@pytest.mark.parametrize("happening", CLIENT)
def test_what_arrives_after_stop_is_ignored(happening: Input, opted_in: bool) -> None:  # noqa: FBT001 - parameter
    """Nothing is answered, nothing is heard, and one last final comes all the same."""
    talk = in_state(State.CLOSING, opted_in=opted_in)
    DO[happening](talk)
    assert [] == talk.take()
    talk.model()
    assert [True] == [final.last for final in talk.finals()]
    assert Close(CloseCode.NORMAL, "stop") == talk.session.closing


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_the_first_reason_to_end_stays_the_reason(first: Input, second: Input) -> None:
    """Whatever happens while it is closing."""
    talk = in_state(State.ACTIVE, opted_in=True)
    DO[first](talk)
    DO[second](talk)
    talk.model()
    assert REASONS[first] == talk.finals()[-1].reason
    assert CLOSES[first] == talk.session.closing


@pytest.mark.parametrize("happening", Input)
def test_a_closed_session_says_nothing(happening: Input) -> None:
    """And keeps the close it has."""
    talk = in_state(State.CLOSED, opted_in=True)
    DO[happening](talk)
    assert [] == talk.take()
    assert Close(CloseCode.INTERNAL, "internal") == talk.session.closing


def test_an_active_session_answers_what_it_is_asked() -> None:
    """Started, then flushed after its final; keepalive has no answer."""
    talk = in_state(State.ACTIVE, opted_in=True)
    assert [] == talk.send(Flush("x"), Keepalive())
    told = talk.model()
    assert [Final, Flushed] == [type(message) for message in told[-2:]]
    assert isinstance(talk.said[0], Started)
