"""A session's life on the wire: how it begins, what `start` opens, the session routes, and how it ends."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, PING, RawSocket, connected
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.session.session import Session

pytestmark = pytest.mark.e2e

QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0}
STREAM = "/v1/transcribe/stream"


@pytest.fixture
def server(transport: str) -> Iterator[Inside]:
    """A server that answers at once and lets audio come as fast as it can."""
    with inside(transport=transport, **QUICK) as here:
        yield here


def told(raw: RawSocket, **start: object) -> dict[str, Any]:
    """Say `start`; the answer."""
    raw.say("start", **start)
    return raw.hear()


def say_all(raw: RawSocket, pcm: bytes) -> int:
    """Send audio in binary frames; how many."""
    chunks = list(pieces(pcm))
    for chunk in chunks:
        raw.send(BINARY, chunk)
    return len(chunks)


def test_a_plain_client_hears_three_kinds_of_message(server: Inside) -> None:
    """Partials that add up to their final, finals in order, one last, 1000."""
    with connected(server.address) as raw:
        for number, piece in enumerate(pieces(SPEECH), 1):
            raw.say_audio(piece, number)
        raw.say("stop")
        heard, end = raw.hear_all()
    assert {"partial", "final"} == {message["type"] for message in heard}
    assert (expected(SPEECH), 1000) == (finals(heard), end.code)
    assert [False] * 6 + [True] == [final.get("last", False) for final in of_type("final", heard)]
    for index, text, *_ in finals(heard):
        fragments = [partial["text"] for partial in of_type("partial", heard) if partial["index"] == index]
        assert text.startswith("".join(fragments))


def test_nothing_is_said_to_a_client_that_says_nothing_wrong(server: Inside) -> None:
    """Silence gets no message but the last final."""
    with connected(server.address) as raw:
        for piece in pieces(silence(3000)):
            raw.say_audio(piece)
        raw.say("stop")
        heard, end = raw.hear_all()
    assert ([("final", "", 3000, 3000)], 1000) == (
        [(m["type"], m["text"], m["start_ms"], m["end_ms"]) for m in heard],
        end.code,
    )


def test_what_follows_stop_is_ignored(server: Inside) -> None:
    """Also what would have been a mistake."""
    with connected(server.address) as raw:
        raw.say("stop")
        raw.say("novelty")
        raw.say_audio(SENTENCE)
        heard, end = raw.hear_all()
    assert (["final"], 1000) == ([message["type"] for message in heard], end.code)


def test_the_subprotocol_is_chosen_when_offered(server: Inside) -> None:
    """A browser that offered some and is given none gives up."""
    with connected(server.address, Sec_WebSocket_Protocol="other, earful.v1") as raw:
        assert "earful.v1" == raw.response.headers["sec-websocket-protocol"]
    with connected(server.address, Sec_WebSocket_Protocol="other") as raw:
        assert "sec-websocket-protocol" not in raw.response.headers


def test_the_sessions_id_is_in_the_upgrades_answer(server: Inside) -> None:
    """The one that `started` and the routes know; no two are alike."""
    with connected(server.address) as first, connected(server.address) as second:
        ids = [raw.response.headers["x-session-id"] for raw in (first, second)]
        assert ids[0] == told(first)["session_id"]
        assert sorted(ids) == [session["session_id"] for session in server.address.get("/v1/sessions")["sessions"]]
    assert 2 == len(set(ids))
    assert all(len(session_id) >= 22 for session_id in ids)


def test_start_is_answered_with_what_holds(transport: str) -> None:
    """Format, numbers and limits."""
    limits: dict[str, Any] = {"idle_timeout_s": 7.0, "max_chunk_ms": 500, "max_buffered_ms": 900, "max_session_s": 70.0}
    limits["resume_window_s"] = 33.0
    settings = {"transport": transport, "max_speed": 3, "max_message_bytes": 2048, **limits}
    with inside(**settings) as server, connected(server.address) as raw:
        started = told(raw, protocol=1, encoding="mulaw", sample_rate=8000, channels=1, later_field={"x": 1})
    assert {"type": "started", "protocol": 1, "next_sequence": 1, "next_index": 0}.items() <= started.items()
    assert ("mulaw", 8000) == (started["encoding"], started["sample_rate"])
    assert {**limits, "max_speed": 3, "max_message_bytes": 2048, "keep_audio_s": 45} == started["limits"]


def test_another_start_may_follow_a_refused_one(server: Inside) -> None:
    """The session has not begun."""
    with connected(server.address) as raw:
        assert "unsupported_format" == told(raw, encoding="opus")["code"]
        assert "bad_message" == told(raw, partials="some")["code"]
        assert "started" == told(raw)["type"]


def test_binary_frames_are_chunks_and_number_themselves(server: Inside) -> None:
    """They mix with `audio_chunk`; the finals are those of plain JSON."""
    with connected(server.address) as raw:
        told(raw)
        for number, piece in enumerate(pieces(SENTENCE), 1):
            if number % 2:
                raw.send(BINARY, piece)
            else:
                raw.say_audio(piece, number)
        raw.say("stop")
        heard, end = raw.hear_all()
    assert ([], expected(SENTENCE), 1000) == (codes(heard), finals(heard), end.code)


@pytest.mark.parametrize("partials", ["fragment", "cumulative", "off"])
def test_partials_come_as_asked_for(partials: str, server: Inside) -> None:
    """Fragments add up, cumulative ones grow, `off` has none; the final is the same."""
    with connected(server.address) as raw:
        told(raw, partials=partials)
        texts = []
        for chunk in pieces(OPENING, 16_000):
            raw.send(BINARY, chunk)
            await_true(lambda: server.call(lambda: server.service.engine.in_flight) == 0)
        raw.say("flush", id="x")
        heard = raw.hear_until("flushed")
        texts = [partial["text"] for partial in of_type("partial", heard)]
        final = of_type("final", heard)[0]["text"]
    assert final
    if partials == "fragment":
        assert final.startswith("".join(texts))
    elif partials == "cumulative":
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
        assert final.startswith(texts[-1])
    else:
        assert [] == texts


def test_words_come_where_asked_for(server: Inside) -> None:
    """In the session's time, inside what the model heard; nobody else gets them."""
    with connected(server.address) as raw:
        told(raw, words=True, language="en")
        say_all(raw, SENTENCE)
        raw.say("stop")
        final, last = of_type("final", raw.hear_all()[0])
    assert final["text"].split() == [word["word"] for word in final["words"]]
    starts = [word["start_ms"] for word in final["words"]]
    assert sorted(starts) == starts
    assert final["start_ms"] - 200 <= starts[0] <= final["words"][-1]["end_ms"] <= final["end_ms"] + 200
    assert all(0 <= word["confidence"] <= 1 for word in final["words"])
    assert [] == last["words"]


def test_a_flush_is_answered_once_all_before_it_is(server: Inside) -> None:
    """The utterance ends there; where none is open no final is made."""
    with connected(server.address) as raw:
        told(raw, partials="off")
        raw.say("flush", id="nothing")
        assert {"type": "flushed", "id": "nothing", "sequence": 0} == raw.hear()
        number = say_all(raw, OPENING)
        raw.say("flush", id="a")
        raw.say("flush", id="b")
        final, *flushed = raw.hear(), raw.hear(), raw.hear()
        raw.say("stop")
        last, end = raw.hear_all()
    assert ("flush", 0, number) == (final["reason"], final["index"], final["sequence"])
    assert [("a", number), ("b", number)] == [(message["id"], message["sequence"]) for message in flushed]
    assert ([(1, "stop")], 1000) == ([(m["index"], m["reason"]) for m in last], end.code)


def test_audio_after_a_flush_is_a_new_utterance(server: Inside) -> None:
    """Words of both are those of their own audio."""
    with connected(server.address) as raw:
        told(raw, partials="off")
        say_all(raw, SENTENCE)
        raw.say("flush", id="x")
        say_all(raw, SENTENCE)
        raw.say("stop")
        heard, _ = raw.hear_all()
    assert [0, 1] == [index for index, *_ in finals(heard)]
    assert 1 == len(of_type("flushed", heard))


def pass_quietly(server: Inside, session: Session, seconds: float) -> None:
    """Wait until the client was last heard so long ago."""
    clock = server.service.registry._clock
    await_true(lambda: server.call(lambda: clock() - session._deadlines._heard_at) > seconds)


@pytest.mark.parametrize("alive", ["keepalive", "ping"])
def test_signs_of_life_keep_a_silent_session(alive: str, transport: str) -> None:
    """Messages and pings count against `idle_timeout_s`; without them it ends."""
    with inside(transport=transport, idle_timeout_s=0.6) as server, connected(server.address) as raw:
        told(raw)
        session = server.connection.session
        for _ in range(3):
            pass_quietly(server, session, 0.25)
            raw.say("keepalive") if alive == "keepalive" else raw.send(PING, b"")
        assert 1 == len(server.service.registry.connections)
        heard, end = raw.hear_all()
    assert (["idle_timeout"], 4008) == (codes(heard), end.code)


@pytest.mark.parametrize(
    ("settings", "reason", "code"),
    [({"idle_timeout_s": 0.4}, "idle", "idle_timeout"), ({"max_session_s": 0.4}, "ended", "session_too_long")],
)
def test_what_was_said_before_a_limit_is_finalised(
    settings: dict[str, Any], reason: str, code: str, transport: str
) -> None:
    """The open utterance's final, then the error, then 4008."""
    with inside(transport=transport, **QUICK, **settings) as server, connected(server.address) as raw:
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        heard, end = raw.hear_all()
    assert (reason, code, 4008) == (of_type("final", heard)[-1]["reason"], *codes(heard), end.code)
    assert of_type("final", heard)[-1]["text"]
    assert "error" == heard[-1]["type"]


def test_delete_finalises_and_closes(server: Inside) -> None:
    """202, then the final with `ended`, 1000, and no error; afterwards it is not known."""
    with connected(server.address) as raw:
        path = f"/v1/sessions/{raw.response.headers['x-session-id']}"
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        await_true(lambda: server.address.get(path)["chunks"] == 15)
        assert 202 == server.address.request("DELETE", path).status
        heard, end = raw.hear_all()
        server.log.wait_for("session ended")
        gone = server.address.request("DELETE", path)
    assert ("ended", 1000, "deleted") == (heard[-1]["reason"], end.code, end.reason)
    assert {"partial", "final"} == {message["type"] for message in heard}
    assert (404, "not_found") == (gone.status, gone.tree["error"]["code"])


def test_a_session_can_be_inspected_but_not_overheard(server: Inside) -> None:
    """Its numbers, and none of its text; the log line at its end has them too."""
    with connected(server.address) as raw:
        path = f"/v1/sessions/{raw.response.headers['x-session-id']}"
        assert "CREATE" == server.address.get(path)["state"]
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)
        heard = raw.hear_until("final")
        await_true(lambda: server.address.get(path)["chunks"] == 41)
        view = server.address.get(path)
        raw.say("stop")
        raw.hear_all()
        ended = server.log.wait_for("session ended")
    assert ("ACTIVE", 4100, len(SENTENCE), 1) == (view["state"], view["audio_ms"], view["audio_bytes"], view["finals"])
    assert ("stop", 41, 4100, 2, 0) == tuple(ended[k] for k in ("reason", "chunks", "audio_ms", "finals", "errors"))
    assert heard[-1]["text"] not in json.dumps([view, ended])
    assert heard[-1]["text"].split()[0] not in json.dumps([view, *server.log.events])


def test_sessions_are_listed_in_pages(server: Inside) -> None:
    """Each once, in the order of their ids."""
    sockets = [RawSocket(server.address).upgrade() for _ in range(5)]
    pages = [server.address.get("/v1/sessions?limit=2")]
    while pages[-1]["next_cursor"]:
        pages.append(server.address.get(f"/v1/sessions?limit=2&cursor={pages[-1]['next_cursor']}"))
    listed = [session["session_id"] for page in pages for session in page["sessions"]]
    assert sorted(raw.response.headers["x-session-id"] for raw in sockets) == listed
    assert [2, 2, 1] == [len(page["sessions"]) for page in pages]
    assert 422 == server.address.request("GET", "/v1/sessions?limit=0").status
    for raw in sockets:
        raw.close()


def test_health_and_metrics_count_what_goes_on(server: Inside) -> None:
    """Live sessions now, requests since the start, latencies of answers."""
    with connected(server.address) as raw:
        assert 1 == server.address.get("/v1/health")["active_sessions"]
        for piece in pieces(SENTENCE, CHUNK_BYTES):
            raw.say_audio(piece)
        raw.say("stop")
        raw.hear_all()
        server.log.wait_for("session ended")
    metrics = server.address.get("/v1/metrics")
    assert (1, 0, 0.0) == (metrics["total_requests"], metrics["active_connections"], metrics["error_rate"])
    assert 0 < metrics["avg_latency_ms"] < 5000
    assert 0 == server.address.get("/v1/health")["active_sessions"]
