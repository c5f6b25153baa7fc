"""A worker under pressure, on the wire: who is let in, what is told, and what its answers say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import RawSocket, connected
from tests.support.speech import OPENING, SENTENCE, expected, finals, of_type, pieces

from earful.models.mock import MockASRModel
from earful.service.ladder import Level
from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

SLOW = f"{__name__}:Slow"
OVERLOAD = ("overload grew",)


class Slow(MockASRModel):
    """A mock whose every call takes `latency_s`."""

    def __init__(self, latency_s: float = 0.6) -> None:
        super().__init__(latency_ms=latency_s * 1000)


@pytest.fixture
def server(transport: str) -> Iterator[Inside]:
    """A server that is at leisure, until a test says otherwise."""
    with inside(transport=transport, mock_latency_ms=1, max_speed=0) as here:
        yield here


def enter(server: Inside, level: Level) -> None:
    """Press it so hard."""
    server.call(lambda: server.service.registry.enter(level))


def say(raw: RawSocket, pcm: bytes, **start: Any) -> None:
    """A whole session's words."""
    raw.say("start", **start)
    for piece in pieces(pcm):
        raw.say_audio(piece)
    raw.say("stop")


def test_who_is_new_is_refused_with_a_time_to_come_back(server: Inside) -> None:
    """Before the upgrade, or for browsers right after it."""
    enter(server, Level.NO_NEW_SESSIONS)
    with connected(server.address, f"{PATH}?refuse=close") as raw:
        (told,), end = raw.hear_all()
        assert ("overloaded", 1013, True) == (told["code"], end.code, 1000 <= told["retry_after_ms"] <= 5000)
    refused = RawSocket(server.address).upgrade()
    refused.close()
    assert 503 == refused.response.status
    assert 1 <= int(refused.response.headers["retry-after"]) <= 5
    assert "overloaded" == server.log.wait_for("session refused")["code"]
    enter(server, Level.NORMAL)
    with connected(server.address) as raw:
        raw.say("stop")
        assert 1000 == raw.hear_all()[1].code


def test_who_resumes_is_let_in(server: Inside) -> None:
    """At any level; nothing of the session is missing."""
    with connected(server.address) as raw:
        raw.say("start")
        cursor = raw.hear()["cursor"]
    enter(server, Level.NO_NEW_SESSIONS)
    with connected(server.address, f"{PATH}?resume=1") as raw:
        say(raw, SENTENCE, resume={"cursor": cursor, "attempt": 1})
        heard, end = raw.hear_all()
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


def test_an_upload_is_refused_before_a_session_is(server: Inside) -> None:
    """Before its body is looked at."""
    enter(server, Level.FINALS_ONLY)
    answer = server.address.request("POST", "/v1/transcribe", b"whatever it is")
    assert (503, "overloaded") == (answer.status, answer.tree["error"]["code"])
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    with connected(server.address) as raw:
        say(raw, SENTENCE)
        heard, _ = raw.hear_all()
    assert (expected(SENTENCE), []) == (finals(heard), of_type("partial", heard))


@pytest.mark.parametrize("partials", ["fragment", "cumulative"])
def test_fewer_partials_miss_nothing(partials: str, server: Inside) -> None:
    """The first comes after a second of speech, and has what all of them would have said by then."""
    enter(server, Level.FEWER_PARTIALS)
    with connected(server.address) as raw:
        raw.say("start", partials=partials)
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        (told,) = of_type("partial", raw.hear_until("partial"))
        raw.say("stop")
        heard, _ = raw.hear_all()
    assert told["end_ms"] - told["start_ms"] >= 1000
    assert of_type("final", heard)[0]["text"].startswith(told["text"])
    assert [] == of_type("partial", heard)


def test_the_level_is_told_and_the_worker_stays_ready(server: Inside) -> None:
    """In health and metrics; a balancer does not take it out."""
    enter(server, Level.HANDING_OVER)
    worker = server.address.get("/v1/health")["worker"]
    assert (4, True) == (worker["overload_level"], worker["accepting"])
    assert 4 == server.address.get("/v1/metrics")["overload_level"]
    assert b"earful_overload_level 4.0" in server.address.request("GET", "/metrics").body
    assert 200 == server.address.request("GET", "/readyz").status


def test_the_settings_are_the_ladders(transport: str) -> None:
    """A model too slow for them makes it climb, by itself."""
    settings: dict[str, Any] = {"model": SLOW, "overload_lag_ms": 100, "max_speed": 0}
    with (
        inside(transport=transport, allowed=OVERLOAD, **settings) as server,
        connected(server.address) as other,
        connected(server.address) as raw,
    ):
        say(other, SENTENCE)  # One alone that waits is no overload.
        say(raw, SENTENCE)
        grew = server.log.wait_for("overload grew")
        other.hear_all()
        heard, end = raw.hear_all()
    assert (1, "audio_lag") == (grew["overload_level"], grew["cause"])
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


def test_new_sessions_begin_no_faster_than_they_may(transport: str) -> None:
    """Above the rate they are told to come back."""
    with inside(transport=transport, max_new_sessions_per_s=2) as server:
        statuses = []
        for _ in range(4):
            raw = RawSocket(server.address).upgrade()
            statuses.append(raw.response.status)
            raw.close()
        assert [101, 101, 503] == statuses[:3]
