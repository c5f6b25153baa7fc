"""How a session begins by a cursor: what it takes for one, what it asks the directory, what it then is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.recordings import silence
from tests.session.talk import BEGAN, ELSEWHERE, SEAL, Talk, errors, resume

from earful.audio.pcm import Encoding, Format
from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.models.types import SessionInfo
from earful.protocol.cursor import Cursor
from earful.protocol.messages import (
    MAX_SEQUENCE,
    AudioChunk,
    BinaryAudio,
    Keepalive,
    Resume,
    Start,
    Started,
    Stop,
)
from earful.protocol.seal import Seal
from earful.protocol.states import State
from earful.session.claim import Claim, Verdict
from earful.session.endings import Close
from earful.session.rules import SessionLimits

QUIET = silence(0.1)
SUPERSEDED = Close(CloseCode.SUPERSEDED, "superseded")
FAILED = Close(CloseCode.RESUME_FAILED, "resume_failed")
OVERLOADED = Close(CloseCode.TRY_LATER, "overloaded")


def test_a_session_goes_on_as_what_it_was() -> None:
    """Under its id, with its format and options, numbers, times and marks."""
    talk = Talk(start=resume())
    (started,) = talk.said
    assert isinstance(started, Started)
    assert ("another", 41, 3, 8_000, "mulaw") == (
        started.session_id,
        started.next_sequence,
        started.next_index,
        started.sample_rate,
        started.encoding,
    )
    assert ELSEWHERE == SEAL.read(str(started.cursor))
    assert Format(Encoding.MULAW, 8_000, 2) == talk.session.format
    assert SessionInfo("another", "en", words=True) == talk.session.info
    assert (True, ELSEWHERE.position, 1) == (talk.session.opted_in, talk.session.position, talk.session.attempt)
    talk.send(BinaryAudio(b"\xff" * (100 + 1_600)), Stop())
    (final,) = talk.finals()
    assert (3, 3_100, 3_100, 41, []) == (final.index, final.start_ms, final.end_ms, final.sequence, final.words)
    assert (3_100, 100) == (talk.session.numbers.audio_ms, talk.session.numbers.heard_ms)


def test_a_cursor_signed_with_an_older_secret_is_signed_anew() -> None:
    """So that old secrets can go."""
    old = Seal((b"old",))
    talk = Talk(start=Start(resume=Resume(old.sign(ELSEWHERE), 1)), seal=Seal((b"new", b"old")))
    (started,) = talk.said
    assert isinstance(started, Started)
    assert ELSEWHERE == Seal((b"new",)).read(str(started.cursor))


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": "mulaw", "sample_rate": 8_000, "channels": 2},
        {"language": "en", "partials": "cumulative", "words": True},
        {"token": "anything"},
    ],
)
def test_what_is_said_beside_resume_may_be_the_same(fields: dict[str, Any]) -> None:
    """Equal, or absent."""
    assert [Started] == [type(message) for message in Talk(start=resume(**fields)).said]


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": "pcm_s16le"},
        {"encoding": "opus"},
        {"sample_rate": 16_000},
        {"sample_rate": 1},
        {"channels": 1},
        {"language": None},
        {"language": "de"},
        {"partials": "fragment"},
        {"words": False},
    ],
)
def test_what_is_said_beside_resume_may_not_differ(fields: dict[str, Any]) -> None:
    """Also where it is what an absent field means in a new session, and where nothing could have that format."""
    talk = Talk(start=resume(**fields))
    assert ([("resume_failed", None, True)], FAILED) == (errors(talk), talk.session.closing)
    assert [] == talk.claims


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        SEAL.sign(ELSEWHERE)[:-1],
        SEAL.sign(ELSEWHERE) + "=",
        Seal((b"foreign",)).sign(ELSEWHERE),
        SEAL.sign(Cursor("another", BEGAN, "another tenant")),
        SEAL.sign(Cursor("another", BEGAN - 14_400 - 121)),
    ],
    ids=["empty", "nonsense", "truncated", "lengthened", "foreign", "another's", "too old"],
)
def test_a_cursor_that_is_not_ours_is_refused(text: str) -> None:
    """In the same words, whatever is wrong with it; nobody is asked about it, and it is the end."""
    talk = Talk(start=Start(resume=Resume(text, 1)))
    assert ([("resume_failed", None, True)], FAILED) == (errors(talk), talk.session.closing)
    assert ([], State.CLOSED) == (talk.claims, talk.session.state)


def test_a_cursor_lives_until_the_window_after_the_greatest_length_has_passed() -> None:
    """To the second; one whose beginning lies in the future counts as new."""
    assert [Started] == [type(one) for one in Talk(start=resume(Cursor("s", BEGAN - 14_520))).said]
    ahead = Talk(start=resume(Cursor("s", BEGAN + 999)))
    assert ([Started], 0.0) == ([type(one) for one in ahead.said], ahead.session.began_at)


def test_a_cursor_may_be_used_any_number_of_times() -> None:
    """The session's core keeps no count: attempts are the directory's."""
    for attempt in (1, 1, 7, MAX_SEQUENCE):
        talk = Talk(start=resume(attempt=attempt))
        assert ([Started], attempt) == ([type(message) for message in talk.said], talk.session.attempt)


def test_every_start_is_claimed() -> None:
    """A new one as attempt 0, a resumed one under its own id; for as long as its cursors live."""
    new, resumed = Talk(start=Start()), Talk(start=resume(attempt=7), unix_s=BEGAN + 20)
    assert [Claim("id", "", 0, 14_520.0)] == new.claims
    assert [Claim("another", "", 7, 14_500.0)] == resumed.claims
    late = Talk()
    late.now = 3.0
    late.send(Start())
    assert [Claim("id", "", 0, 14_517.0)] == late.claims


def test_nothing_is_said_or_wanted_before_the_verdict() -> None:
    """The claim is there once; with the verdict everything goes on."""
    talk = Talk(start=Start(), verdict=None)
    assert ([], State.CREATE, False) == (talk.said, talk.session.state, talk.session.wants_input)
    assert talk.session.take_claim() is None
    talk.session.claimed(Verdict.GRANTED, 1.0)
    assert [Started] == [type(message) for message in talk.take()]
    assert (State.ACTIVE, True) == (talk.session.state, talk.session.wants_input)


@pytest.mark.parametrize(("verdict", "close"), [(Verdict.SUPERSEDED, SUPERSEDED), (Verdict.DELETED, FAILED)], ids=str)
def test_a_claim_that_is_not_granted_ends_the_connection(verdict: Verdict, close: Close) -> None:
    """With the error that says why; no `started`."""
    talk = Talk(start=resume(), verdict=verdict)
    assert ([(close.reason, None, True)], close) == (errors(talk), talk.session.closing)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_on_a_session_that_has_ended_changes_nothing(verdict: Verdict) -> None:
    """Nor does one that nobody asked for."""
    talk = Talk(start=resume(), verdict=None)
    talk.session.lose("connection_lost")
    talk.session.claimed(verdict, 1.0)
    talk.session.claimed(verdict, 1.0)
    assert ([], "connection_lost") == (talk.take(), getattr(talk.session.closing, "reason", ""))
    idle = Talk()
    idle.session.claimed(Verdict.GRANTED, 1.0)
    assert (State.CREATE, []) == (idle.session.state, idle.take())


def test_who_took_a_reserved_place_must_resume() -> None:
    """Nothing else begins on it; what is no beginning is a mistake as ever."""
    for message in (Start(), AudioChunk(QUIET), Stop()):
        talk = Talk()
        talk.session.demand_resume()
        talk.send(message)
        assert [("overloaded", None, True)] == errors(talk)
        assert OVERLOADED == talk.session.closing
    talk = Talk()
    talk.session.demand_resume()
    talk.send(Keepalive())
    assert ["unexpected_message"] == talk.codes()


def test_who_resumes_on_a_reserved_place_keeps_it() -> None:
    """Like any other."""
    talk = Talk()
    talk.session.demand_resume()
    talk.send(resume())
    talk.send(BinaryAudio(b"\xff" * 800), Stop())
    assert ([], Close(CloseCode.NORMAL, "stop")) == (errors(talk), talk.session.closing)


def reserved(**limits: Any) -> Talk:
    """A client that has just got a reserved place, and three seconds to resume on it."""
    talk = Talk(limits=SessionLimits(handshake_timeout_s=3, **limits))
    talk.session.demand_resume()
    return talk


@pytest.mark.parametrize("held", [False, True])
def test_a_reserved_place_is_not_held_without_resuming(held: bool) -> None:  # noqa: FBT001 - parameter
    """Its time counts from the beginning; no ping moves it, no mistake, and no hold."""
    talk = reserved()
    for now in (1.0, 2.0, 2.9):
        talk.session.touch(now)
        talk.session.refuse(EarfulError(ErrorCode.UNKNOWN_TYPE), now)
        if held:
            talk.session.hold(now)
        talk.tick(now)
    assert (3.0, None) == (talk.session.due, talk.session.closing)
    talk.tick(3.0)
    assert (("overloaded", None, True), OVERLOADED) == (errors(talk)[-1], talk.session.closing)


def test_whatever_ends_the_wait_for_a_resume_is_overload() -> None:
    """Who waited can try again; `idle_timeout` would say that there is nothing to resume."""
    talk = reserved(idle_timeout_s=1)
    assert 1.0 == talk.session.due
    talk.tick(1.0)
    assert ([("overloaded", None, True)], OVERLOADED) == (errors(talk), talk.session.closing)


def test_who_has_asked_to_resume_waits_for_the_verdict_alone() -> None:
    """Then its deadlines are those of any session."""
    talk = reserved()
    talk.verdict = None
    talk.send(resume())
    talk.tick(3.1)
    assert talk.session.closing is None
    talk.session.claimed(Verdict.GRANTED, 3.2)
    talk.tick(3.3)
    assert (None, [Started]) == (talk.session.closing, [type(one) for one in talk.said])
    assert 63.2 == talk.session.due
