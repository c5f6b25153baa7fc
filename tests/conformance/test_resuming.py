"""Resuming on real sockets: cursors on the wire, going on anywhere, one owner, reserved places, hand-over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.session.ear import told
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, PING, TEXT, RawSocket, connected, frame
from tests.support.resuming import RESUME_PATH, connect, drop, hear, send
from tests.support.server import await_true
from tests.support.speech import (
    CHUNK_BYTES,
    OPENING,
    SENTENCE,
    SPEECH,
    codes,
    expected,
    finals,
    of_type,
    pieces,
    silence,
)

from earful.client.core import Speaker
from earful.protocol.messages import Start
from earful.protocol.seal import Seal
from earful.session.claim import Claim, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

SECRET = "a secret of these tests"  # noqa: S105 - of these tests
QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0, "secret": SECRET}


@pytest.fixture
def server(transport: str) -> Iterator[Inside]:
    """A worker whose secret is set."""
    with inside(transport=transport, **QUICK) as here:
        yield here


@pytest.fixture
def other(transport: str) -> Iterator[Inside]:
    """Another worker with the same secret."""
    with inside(transport=transport, **QUICK) as there:
        yield there


def begin(raw: RawSocket, **start: object) -> dict[str, Any]:
    """Say `start`; the answer."""
    raw.say("start", **start)
    return raw.hear()


def resume(raw: RawSocket, cursor: str, attempt: int = 1, **start: object) -> dict[str, Any]:
    """Ask for a session to go on; the answer."""
    return begin(raw, resume={"cursor": cursor, "attempt": attempt}, **start)


def test_finals_and_marks_bring_cursors(server: Inside) -> None:
    """Each with the chunk to keep from; the last final has none."""
    with connected(server.address) as raw:
        started = begin(raw, partials="off")
        for piece in pieces(SENTENCE + silence(12_000)):
            raw.send(BINARY, piece)
        raw.say("stop")
        heard, end = raw.hear_all()
    seal = Seal((SECRET.encode(),))
    assert ("anywhere", 120, 50) == (
        started["resumable"],
        started["limits"]["resume_window_s"],
        started["limits"]["keep_audio_s"],
    )
    assert (["final", "ack", "final"], 1000) == ([message["type"] for message in heard], end.code)
    final, ack, last = heard
    marks = [seal.read(message["cursor"]).position for message in (started, final, ack)]
    assert [1, final["keep_from"], ack["keep_from"]] == [mark.sequence for mark in marks]
    assert [0, (final["end_ms"] + 200) * 16, (final["end_ms"] + 9_700) * 16] == [mark.samples for mark in marks]
    assert {"cursor", "keep_from"}.isdisjoint(last)


def test_without_a_secret_others_cannot_go_on(transport: str) -> None:
    """`here`; a cursor of one server is nothing to another."""
    settings = {**QUICK, "secret": "", "transport": transport}
    with inside(**settings) as first, inside(**settings) as second:
        with connected(first.address) as raw:
            started = begin(raw)
        with connected(second.address) as raw:
            raw.say("start", resume={"cursor": started["cursor"], "attempt": 1})
            heard, end = raw.hear_all()
    assert ("here", ["resume_failed"], 4004) == (started["resumable"], codes(heard), end.code)


def test_a_recording_is_heard_whole_over_many_drops(server: Inside, other: Inside) -> None:
    """On two workers in turn, dropped after every second message: the finals of an undisturbed run."""
    speaker = Speaker(Start(partials="off"))
    for nth, piece in enumerate(pieces(SPEECH)):
        speaker.speak(piece)
        if nth % 100 == 50:
            speaker.flush(str(nth))
    speaker.stop()
    drops = 0
    while not speaker.is_complete:
        raw = connect(speaker, (server, other)[drops % 2].address)
        hear(speaker, raw, 2)
        drop(speaker, raw)
        drops += 1
    with connected(server.address) as raw:
        begin(raw)
        for nth, piece in enumerate(pieces(SPEECH)):
            raw.send(BINARY, piece)
            if nth % 100 == 50:
                raw.say("flush", id=str(nth))
        raw.say("stop")
        heard, _ = raw.hear_all()
    through = [(m["index"], m["text"], m["start_ms"], m["end_ms"], m["reason"]) for m in of_type("final", heard)]
    assert through == told(speaker.finals)
    assert drops >= 8


def test_a_resumed_session_is_known_by_its_own_id(server: Inside, other: Inside) -> None:
    """The upgrade's id does not count."""
    with connected(server.address) as raw:
        begun = begin(raw)
    with connected(other.address, RESUME_PATH) as raw:
        started = resume(raw, begun["cursor"])
        path = f"/v1/sessions/{begun['session_id']}"
        assert begun["session_id"] == started["session_id"] == other.address.get(path)["session_id"]
        assert 404 == other.address.request("GET", f"/v1/sessions/{raw.response.headers['x-session-id']}").status
        assert 202 == other.address.request("DELETE", path).status
        assert 1000 == raw.hear_all()[1].code
    with connected(other.address, RESUME_PATH) as raw:
        raw.say("start", resume={"cursor": begun["cursor"], "attempt": 2})
        heard, end = raw.hear_all()
    assert (["resume_failed"], 4004) == (codes(heard), end.code)


def test_the_newest_connection_has_the_session(server: Inside) -> None:
    """The one before is closed with 4010; a late one, with no larger attempt, is refused and changes nothing."""
    with connected(server.address) as first, connected(server.address) as second, connected(server.address) as third:
        begun = begin(first)
        for piece in pieces(OPENING):
            first.send(BINARY, piece)
        assert "started" == resume(second, begun["cursor"], 7)["type"]
        heard, end = first.hear_all()
        assert (["superseded"], 4010) == (codes(heard), end.code)
        third.say("start", resume={"cursor": begun["cursor"], "attempt": 7})
        heard, end = third.hear_all()
        assert (["superseded"], 4010) == (codes(heard), end.code)
        for piece in pieces(SENTENCE):
            second.send(BINARY, piece)
        second.say("stop")
        heard, end = second.hear_all()
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


@pytest.mark.parametrize(
    "fields", [{"sample_rate": 16_000}, {"encoding": "mulaw", "sample_rate": 8_000, "words": True}]
)
def test_another_format_is_refused(fields: dict[str, Any], server: Inside) -> None:
    """Also where it is what an absent field means in a new session."""
    with connected(server.address) as raw:
        begun = begin(raw, encoding="mulaw", sample_rate=8_000, language="en")
    with connected(server.address) as raw:
        raw.say("start", resume={"cursor": begun["cursor"], "attempt": 1}, **fields)
        heard, end = raw.hear_all()
    assert (["resume_failed"], 4004) == (codes(heard), end.code)


def test_a_full_worker_lets_in_who_resumes(transport: str) -> None:
    """One more than there may be; who takes that place and begins something new is sent away."""
    with (
        inside(transport=transport, max_sessions=1, **QUICK) as server,
        connected(server.address) as first,
    ):
        begun = begin(first)
        for message in ("start", "stop"):
            with connected(server.address, RESUME_PATH) as newcomer:
                newcomer.say(message)
                heard, end = newcomer.hear_all()
            assert (["overloaded"], 1013) == (codes(heard), end.code)
            await_true(lambda: server.call(lambda: server.service.registry.taken) == 1)
        assert 503 == RawSocket(server.address).upgrade().response.status
        with connected(server.address, RESUME_PATH) as second:
            assert 503 == RawSocket(server.address).upgrade(RESUME_PATH).response.status
            assert "started" == resume(second, begun["cursor"])["type"]
            assert 4010 == first.hear_all()[1].code
            second.say("stop")
            assert 1000 == second.hear_all()[1].code


@pytest.mark.parametrize("pings", [0, 3])
def test_a_reserved_place_is_no_place_to_stay(pings: int, transport: str) -> None:
    """Who pings there, or says nothing, is sent away before long, and may try again."""
    limits: dict[str, Any] = {"max_sessions": 1, "handshake_timeout_s": 0.5, **QUICK}
    with inside(transport=transport, **limits) as server, connected(server.address) as first:
        begin(first)
        with connected(server.address, RESUME_PATH) as newcomer:
            for _ in range(pings):
                newcomer.send(PING, b"here")
            heard, end = newcomer.hear_all()
        assert (["overloaded"], 1013) == (codes(heard), end.code)
        await_true(lambda: server.call(lambda: server.service.registry.taken) == 1)


def test_a_drain_hands_sessions_over(server: Inside, other: Inside) -> None:
    """`closing` and 4201 in the middle of a sentence; the other worker hears it whole."""
    speaker = Speaker(Start(partials="off"))
    raw = connect(speaker, server.address)
    hear(speaker, raw, 1)
    for piece in pieces(SENTENCE[:96_000]):
        speaker.speak(piece)
    send(speaker, raw)
    session = server.connection.session
    await_true(lambda: server.call(lambda: session.numbers.chunks) == 96_000 // CHUNK_BYTES)
    server.call(server.server.stop)
    closing, end = raw.hear_all()
    assert ([("closing", "drain", True)], 4201) == (
        [(message["type"], message["reason"], message["resume"]) for message in closing],
        end.code,
    )
    speaker.lost()
    for piece in pieces(SENTENCE[96_000:]):
        speaker.speak(piece)
    speaker.stop()
    raw.close()
    raw = connect(speaker, other.address)
    assert 1000 == getattr(hear(speaker, raw, 10), "code", None)
    raw.close()
    assert expected(SENTENCE) == told(speaker.finals)[:1]


class LateClaims:
    """A directory that takes its time, on the server's own loop."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def claim(self, claim: Claim) -> Verdict:
        """Grant, when it is let go."""
        del claim
        await self.go.wait()
        return Verdict.GRANTED

    def delete(self, session_id: str, life_s: float) -> None:
        """Nothing is noted."""


def test_what_comes_before_the_directorys_answer_waits_unread(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same segment and behind it, whole and in order; the connection stands meanwhile."""
    monkeypatch.setattr("earful.service.registry.CLAIM_WITHIN_S", 10.0)
    claims = server.call(LateClaims)
    server.call(lambda: setattr(server.service.registry, "_claims", claims))
    with connected(server.address) as raw:
        first, *rest = pieces(SENTENCE)
        start = frame(TEXT, b'{"type":"start","partials":"off"}')
        raw.send_bytes(start + frame(BINARY, first) + frame(TEXT, b'{"type":"flush","id":"x"}'))
        for piece in rest:
            raw.send(BINARY, piece)
        raw.say("stop")
        session = server.connection.session
        await_true(lambda: server.call(lambda: session.is_held))
        assert 0 == server.call(lambda: session.numbers.chunks)
        server.call(claims.go.set)
        heard, end = raw.hear_all()
    assert ["started", "flushed", "final", "final"] == [message["type"] for message in heard]
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)
