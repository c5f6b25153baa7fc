"""What a session does with mistakes: wrong numbers, bad chunks, what is no message at all."""

from __future__ import annotations

import pytest
from tests.session.recordings import silence
from tests.session.talk import SPEAKING, Talk, errors

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import BadChunkError
from earful.protocol.messages import (
    MAX_SEQUENCE,
    AudioChunk,
    Error,
    Start,
    Stop,
)
from earful.protocol.states import State
from earful.session.endings import Close

QUIET = silence(0.1)
TOO_LONG = AudioChunk(bytes(10_001 * 32))


def test_a_plain_session_goes_on_after_a_gap() -> None:
    """The error names the chunk and what was expected, and the audio is heard."""
    talk = Talk()
    talk.send(AudioChunk(QUIET, 5), AudioChunk(QUIET, 9), AudioChunk(QUIET, 10), AudioChunk(QUIET))
    (error,) = talk.said
    assert isinstance(error, Error)
    assert ("sequence_gap", 9, 6, False) == (error.code, error.sequence, error.expected, error.fatal)
    assert 400 == talk.session.numbers.audio_ms


def test_a_gap_after_start_is_fatal() -> None:
    """Naming what was expected."""
    talk = Talk(start=Start())
    talk.send(AudioChunk(QUIET, 1), AudioChunk(QUIET, 3))
    error = talk.said[-1]
    assert isinstance(error, Error)
    assert ("sequence_gap", 2, True) == (error.code, error.expected, error.fatal)
    assert Close(CloseCode.POLICY, "sequence_gap") == talk.session.closing


def test_numbers_run_out() -> None:
    """There is none after the last that every JSON reader keeps exact: the session is over."""
    talk = Talk()
    talk.send(AudioChunk(QUIET, MAX_SEQUENCE), AudioChunk(QUIET))
    assert ["session_too_long"] == talk.codes()
    assert Close(CloseCode.IDLE, "session_too_long") == talk.session.closing


def test_after_start_the_first_number_is_one() -> None:
    """Any other first chunk is a gap, or a repeat."""
    talk = Talk(start=Start())
    talk.send(AudioChunk(QUIET, 0), AudioChunk(QUIET, 2))
    assert ["sequence_repeated", "sequence_gap"] == talk.codes()


def test_a_number_seen_is_not_heard_twice() -> None:
    """Told at most once a second, never counted."""
    talk = Talk()
    talk.send(AudioChunk(QUIET, 5), *[AudioChunk(QUIET, 5)] * 30)
    talk.now = 1.0
    talk.send(AudioChunk(QUIET, 0))
    assert [("sequence_repeated", 5, False), ("sequence_repeated", 0, False)] == errors(talk)
    assert (100, 1, 2) == (
        talk.session.numbers.audio_ms,
        talk.session.numbers.chunks,
        talk.session.numbers.errors,
    )


def test_a_chunk_that_is_too_long_has_used_its_number() -> None:
    """Its audio is missing; the session goes on."""
    talk = Talk(start=Start())
    talk.send(AudioChunk(QUIET), TOO_LONG, AudioChunk(QUIET, 3), AudioChunk(bytes(10_000 * 32), 4))
    assert [("bad_audio", 2, False)] == errors(talk)
    assert 10_200 == talk.session.numbers.audio_ms


@pytest.mark.parametrize("is_too_long", [False, True])
def test_a_bad_first_chunk_of_a_plain_session_sets_no_base(is_too_long: bool) -> None:  # noqa: FBT001 - parameter
    """The next number is free again; `start` may still follow what was no message."""
    talk = Talk()
    if is_too_long:
        talk.send(TOO_LONG)
    else:
        talk.session.refuse(BadChunkError(None), 0.0)
    talk.send(AudioChunk(QUIET, 70), AudioChunk(QUIET, 71))
    assert [("bad_audio", 1, False)] == errors(talk)


def test_a_chunk_that_is_not_base64_has_used_its_number() -> None:
    """As one that is too long; what is wrong with its number comes first."""
    talk = Talk(start=Start())
    talk.session.refuse(BadChunkError(1), 0.0)
    talk.session.refuse(BadChunkError(1), 0.0)
    talk.send(AudioChunk(QUIET, 2))
    talk.session.refuse(BadChunkError(None), 0.0)
    talk.send(AudioChunk(QUIET, 4))
    talk.session.refuse(BadChunkError(9), 0.0)
    talk.take()
    expected = [("bad_audio", 1, False), ("sequence_repeated", 1, False), ("bad_audio", 3, False)]
    assert [*expected, ("sequence_gap", 9, True)] == errors(talk)


def test_a_chunk_that_is_not_base64_may_leave_a_gap() -> None:
    """Without start both are told."""
    talk = Talk()
    talk.send(AudioChunk(QUIET, 1))
    talk.session.refuse(BadChunkError(3), 0.0)
    talk.send(AudioChunk(QUIET, 4))
    assert [("sequence_gap", 3, False), ("bad_audio", 3, False)] == errors(talk)


@pytest.mark.parametrize("code", [ErrorCode.BAD_JSON, ErrorCode.BAD_MESSAGE, ErrorCode.BAD_AUDIO])
def test_the_eleventh_mistake_ends_a_connection(code: ErrorCode) -> None:
    """Ten are answered; the eleventh is fatal and closes with 1008."""
    talk = Talk()
    for _ in range(12):
        talk.session.refuse(EarfulError(code), 0.0)
    talk.take()
    assert [(code.value, None, False)] * 10 + [(code.value, None, True)] == errors(talk)
    assert Close(CloseCode.POLICY, "too_many_mistakes") == talk.session.closing
    assert (State.CLOSED, 11) == (talk.session.state, talk.session.numbers.errors)


def test_mistakes_of_all_kinds_count_together() -> None:
    """Unknown types, repeats and the model's failures do not count."""
    talk = Talk()
    for _ in range(5):
        talk.session.refuse(EarfulError(ErrorCode.BAD_JSON), 0.0)
        talk.session.refuse(EarfulError(ErrorCode.UNKNOWN_TYPE), 0.0)
        talk.send(TOO_LONG)
    assert State.CREATE is not talk.session.state
    assert talk.session.closing is None
    talk.session.refuse(EarfulError(ErrorCode.BAD_MESSAGE), 0.0)
    assert talk.session.closing is not None


def test_what_is_no_message_is_ignored_after_stop() -> None:
    """As everything is."""
    talk = Talk()
    talk.audio(SPEAKING)
    talk.send(Stop())
    talk.session.refuse(EarfulError(ErrorCode.BAD_JSON), 0.0)
    assert [] == talk.take()
