"""A session's conversation: what it answers to what the client says, message by message."""

from __future__ import annotations

import pytest
from tests.session.ear import Mock, listen, told
from tests.session.recordings import NATIVE, recorded, scene, silence, speech
from tests.session.talk import SPEAKING, Talk, errors, heard, mock_model, upload, whole

from earful.audio.pcm import Encoding, Format
from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.models.types import Outcome, SessionInfo
from earful.protocol.messages import (
    AudioChunk,
    BinaryAudio,
    Closing,
    Error,
    Final,
    Flush,
    Flushed,
    Keepalive,
    Partial,
    Start,
    Started,
    Stop,
)
from earful.protocol.states import Input, State
from earful.session.answers import MAX_FLUSHES
from earful.session.endings import Close
from earful.session.rules import SessionLimits

QUIET = silence(0.1)
TOO_LONG = AudioChunk(bytes(10_001 * 32))


def test_the_plain_protocol_end_to_end() -> None:
    """The sample recording: fragments, six finals, one empty last one, close 1000; nothing but partials and finals."""
    talk, mock = Talk(), Mock()
    for at in range(0, len(speech()), 3_200):
        talk.audio(speech()[at : at + 3_200])
        mock_model(talk, mock)
    talk.send(Stop())
    mock_model(talk, mock)
    assert {Partial, Final} == {type(message) for message in talk.said}
    assert told(listen(recorded(speech(), NATIVE), []).finals)[:6] == told(talk.finals())[:6]
    assert [*range(6)] == [final.index for final in talk.finals()[:6]]
    assert talk.finals()[-1].last
    assert "stop" == talk.finals()[-1].reason
    assert Close(CloseCode.NORMAL, "stop") == talk.session.closing


def test_stop_alone_is_answered_with_an_empty_last_final() -> None:
    """Also without any audio."""
    talk = Talk()
    (final,) = talk.send(Stop())
    assert isinstance(final, Final)
    assert ("", 0, 0, 0, 0, True) == (
        final.text,
        final.index,
        final.start_ms,
        final.end_ms,
        final.sequence,
        final.last,
    )
    assert Close(CloseCode.NORMAL, "stop") == talk.session.closing


def test_the_empty_last_final_lies_at_the_end_of_the_audio() -> None:
    """With the newest chunk's number, and no words where words were asked for."""
    talk = Talk(start=Start(words=True))
    talk.audio(QUIET * 3, len(QUIET))
    (final,) = talk.send(Stop())
    assert isinstance(final, Final)
    assert (300, 300, 3, []) == (final.start_ms, final.end_ms, final.sequence, final.words)


def test_start_is_answered_first() -> None:
    """With what was settled and what is allowed."""
    talk = Talk()
    start = Start(sample_rate=8_000, encoding="mulaw", channels=2, language="en", words=True, partials="off")
    (started,) = talk.send(start)
    assert isinstance(started, Started)
    assert ("id", 1, 0, 8_000, "mulaw", 1) == (
        started.session_id,
        started.next_sequence,
        started.next_index,
        started.sample_rate,
        started.encoding,
        started.protocol,
    )
    assert (10_000, 5_000, 0) == (
        started.limits.max_chunk_ms,
        started.limits.max_buffered_ms,
        started.limits.max_speed,
    )
    assert Format(Encoding.MULAW, 8_000, 2) == talk.session.format
    assert (SessionInfo("id", "en", words=True), True) == (talk.session.info, talk.session.opted_in)


@pytest.mark.parametrize(
    "refused",
    [
        Start(encoding="flac"),
        Start(sample_rate=7_999),
        Start(sample_rate=48_001),
        Start(sample_rate=-(10**300)),
        Start(channels=0),
        Start(channels=9),
    ],
)
def test_after_a_refused_start_another_may_follow(refused: Start) -> None:
    """Not counted, not fatal; nothing of it is kept."""
    talk = Talk()
    for _ in range(20):
        talk.send(refused)
    assert [("unsupported_format", None, False)] * 20 == errors(talk)
    assert (State.CREATE, False, Format()) == (talk.session.state, talk.session.opted_in, talk.session.format)
    (started,) = talk.send(Start())
    assert isinstance(started, Started)


def test_binary_frames_take_the_next_number() -> None:
    """Beside numbered ones."""
    talk = Talk(start=Start())
    talk.send(BinaryAudio(QUIET), AudioChunk(QUIET, 2), BinaryAudio(QUIET), Flush("x"))
    assert Flushed("x", 3) == talk.said[-1]
    assert [] == errors(talk)


def test_a_binary_frame_without_start_is_1003() -> None:
    """After the error that says why."""
    talk = Talk()
    talk.send(BinaryAudio(QUIET))
    assert [("unexpected_message", None, True)] == errors(talk)
    assert Close(CloseCode.UNSUPPORTED_DATA, "unexpected_message") == talk.session.closing


def test_flushed_follows_what_the_flush_covers() -> None:
    """The open utterance's final first; later audio is not waited for."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    work = talk.work()
    talk.send(Flush("a"), Flush("b"))
    talk.audio(SPEAKING)
    talk.send(Flush("c"))
    assert [] == talk.finals()
    talk.deliver(work, heard("one"))
    talk.deliver(talk.work(), whole("one."))
    kinds = [(type(message), getattr(message, "id", "")) for message in talk.said[1:]]
    assert [(Partial, ""), (Final, ""), (Flushed, "a"), (Flushed, "b")] == kinds
    talk.model()
    assert [Final, Flushed] == [type(message) for message in talk.said[-2:]]
    assert [Flushed("a", 2), Flushed("b", 2), Flushed("c", 4)] == [m for m in talk.said if isinstance(m, Flushed)]


def test_a_flush_of_nothing_is_answered_at_once() -> None:
    """And makes no final."""
    talk = Talk(start=Start())
    assert [Flushed("x", 0)] == talk.send(Flush("x"))
    talk.send(BinaryAudio(QUIET))
    assert [Flushed("y", 1)] == talk.send(Flush("y"))
    assert [] == talk.finals()


def test_stop_answers_flushes_before_the_last_final() -> None:
    """In the order of the client's messages."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(Flush("x"), Stop())
    talk.model()
    assert [Final, Flushed, Final] == [type(message) for message in talk.said[-3:]]
    assert [False, True] == [final.last for final in talk.finals()]


def test_a_failed_model_is_told_and_the_session_goes_on() -> None:
    """Counted among the errors, not among the mistakes; an end that failed has its final all the same."""
    talk = Talk()
    talk.audio(SPEAKING)
    for _ in range(15):
        talk.audio(SPEAKING[:3_200])
        talk.deliver(talk.work(), Outcome(None, ErrorCode.MODEL_FAILED, 0.5))
    talk.send(Stop())
    talk.deliver(talk.work(), Outcome(None, ErrorCode.MODEL_TIMEOUT, 0.5))
    assert [""] == [final.text for final in talk.finals()]
    assert (16, 8.0) == (talk.session.numbers.errors, talk.session.numbers.model_s)
    assert Close(CloseCode.NORMAL, "stop") == talk.session.closing


def test_audio_far_ahead_of_its_time_is_too_fast() -> None:
    """`max_speed` times the session's age and 30 s are allowed, and not a sample more."""
    talk = Talk(limits=SessionLimits(max_speed=4))
    talk.now = 2.5
    talk.audio(silence(40), 320_000)
    assert talk.session.closing is None
    talk.send(AudioChunk(silence(0.001)))
    assert [("audio_too_fast", None, True)] == errors(talk)
    assert Close(CloseCode.TOO_FAST, "audio_too_fast") == talk.session.closing


def test_reading_waits_for_the_model() -> None:
    """Above `max_buffered_ms` behind the newest work; silence counts too; an answer frees it."""
    talk = Talk()
    talk.audio(SPEAKING)
    work = talk.work()
    wanted = [talk.session.wants_input]
    talk.audio(silence(3 + work.end_ms / 1_000))
    wanted.append(talk.session.wants_input)
    assert 5_000 == talk.session.backlog_ms
    talk.audio(silence(0.001))
    wanted.append(talk.session.wants_input)
    talk.deliver(work, heard("x"))
    assert [True, True, False, True] == [*wanted, talk.session.wants_input]
    assert 0 == talk.session.backlog_ms


def test_reading_waits_for_flushes_to_be_answered() -> None:
    """There is a greatest number of them, as of everything."""
    talk = Talk(start=Start())
    talk.audio(SPEAKING)
    talk.send(*(Flush(str(nth)) for nth in range(MAX_FLUSHES - 1)))
    wanted = [talk.session.wants_input]
    talk.send(Flush("one more"))
    wanted.append(talk.session.wants_input)
    talk.model()
    assert [True, False, True] == [*wanted, talk.session.wants_input]


def test_signs_of_life_keep_a_session() -> None:
    """Messages, what was meant to be one, and pings; a hold stops the clock."""
    talk = Talk(start=Start())
    assert [] == talk.tick(59.0)
    talk.send(Keepalive())
    assert [] == talk.tick(118.0)
    talk.session.touch(talk.now)
    assert [] == talk.tick(177.0)
    talk.session.refuse(EarfulError(ErrorCode.UNKNOWN_TYPE), talk.now)
    talk.take()
    talk.session.hold(200.0)
    assert talk.session.is_held
    assert [] == talk.tick(300.0)
    talk.session.release(300.0)
    assert 360.0 == talk.session.due
    talk.tick(360.0)
    assert "idle_timeout" == talk.codes()[-1]


@pytest.mark.parametrize("opted_in", [False, True])
def test_a_drain_is_told_at_once_to_who_sent_start(opted_in: bool) -> None:  # noqa: FBT001 - parameter
    """Then the finals owed, then the error, then 1012."""
    talk = Talk(start=Start() if opted_in else None)
    talk.audio(SPEAKING)
    talk.session.end(Input.DRAIN, 0.0, deadline_ms=5_000)
    assert [Closing("drain", 5_000, resume=False)] * opted_in == talk.take()
    talk.model()
    assert [Final, Error] == [type(message) for message in talk.said[-2:]]
    assert ["drain"] == [final.reason for final in talk.finals()]
    assert Close(CloseCode.RESTART, "draining") == talk.session.closing


def test_an_upload_is_a_session_with_lanes() -> None:
    """Any format, no header skipped, whole utterances side by side, the same finals as live."""
    cd = Format(Encoding.PCM_S16LE, 44_100)
    data = recorded(scene(), cd)
    talk = upload(cd, data)
    works = [talk.work(), talk.work(), talk.work()]
    assert [0, 1, 2] == [work.lane for work in works]
    assert talk.session.take_work() is None
    for work in reversed(works):
        talk.deliver(work, Mock().answer(work))
    talk.send(Stop())
    assert told(listen(data, [], cd).finals) == told(talk.finals())[:-1]
    assert [Final] * 4 == [type(message) for message in talk.said]


def test_the_numbers_say_what_happened() -> None:
    """Bytes, times, chunks, partials, finals, errors, model time."""
    talk = Talk()
    talk.audio(SPEAKING + silence(1), 16_000)
    while (work := talk.session.take_work()) is not None:
        answer = whole("b") if work.end else heard("a")
        talk.deliver(work, Outcome(answer.result, model_s=0.25))
    numbers = talk.session.numbers
    (final,) = talk.finals()
    assert (96_000, 3_000, 6) == (numbers.audio_bytes, numbers.audio_ms, numbers.chunks)
    assert (final.end_ms - final.start_ms, 0, 1, 0, 0.25) == (
        numbers.speech_ms,
        numbers.partials,
        numbers.finals,
        numbers.errors,
        numbers.model_s,
    )
    assert 1 == talk.session.position.index
