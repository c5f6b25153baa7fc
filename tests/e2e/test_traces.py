"""Traces of real servers, as a collector gets them over OTLP/HTTP; and servers whose collector takes none."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.test_cli import check_refusal, run
from tests.e2e.test_resuming import SECRET, SETTINGS
from tests.support.raw import RawSocket, connected
from tests.support.redis_server import running_redis
from tests.support.resuming import connect, hear, send
from tests.support.server import PATHS, await_true, running
from tests.support.sounds import speech, wav
from tests.support.spans import Collector, attributes, collecting
from tests.support.speech import OPENING, SENTENCE, SPEECH, of_type, pieces

from earful.client.core import Speaker
from earful.protocol.messages import Start
from earful.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Address

pytestmark = pytest.mark.e2e

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = f"00-{TRACE}-{SPAN}-01"
ON: dict[str, Any] = {"tracing": "on", "tracing_calls_percent": 100, "mock_latency_ms": 5, "max_speed": 0}


def to(collector: Collector, **more: str) -> dict[str, str]:
    """The environment of a server that exports there, soon."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **more}


def named(collector: Collector, name: str) -> list[Any]:
    """The spans of this name that have come."""
    return [span for span in collector.spans if span.name == name]


def speak(address: Address, **headers: str) -> list[dict[str, Any]]:
    """Say a sentence and stop; all that was answered."""
    with connected(address, **headers) as raw:
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)
        raw.say("stop")
        return raw.hear_all()[0]


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_a_session_and_an_upload_arrive_in_their_caller_s_trace(transport: str) -> None:
    """With utterances and model calls; what was said is in none of it, and nobody else tells anything."""
    others = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
    with collecting() as collector, running(transport=transport, env=to(collector, **others), **ON) as server:
        heard = speak(server.address, traceparent=CALLER)
        answer = server.address.request("POST", "/v1/transcribe", wav(speech(4.2)), {"traceparent": CALLER})
        assert 200 == answer.status
        server.signal()
        assert 0 == server.exit_code()
        (session,), (upload,), calls = (named(collector, name) for name in ("session", "upload", "model call"))
        assert ({"/v1/traces"}, 2 + len(calls)) == (collector.paths, len(collector.spans))
        everything = b"".join(body.SerializeToString() for body in collector.bodies)
    assert {bytes.fromhex(TRACE)} == {span.trace_id for span in (session, upload, *calls)}
    assert {bytes.fromhex(SPAN)} == {session.parent_span_id, upload.parent_span_id}
    assert {session.span_id, upload.span_id} == {call.parent_span_id for call in calls}
    spoken = [final for final in of_type("final", heard) if final["text"]]
    assert [(final["index"], final["end_ms"]) for final in spoken] == [
        (attributes(event)["index"], attributes(event)["end_ms"]) for event in session.events
    ]
    assert all(0 <= attributes(event)["lag_ms"] < 5000 for event in session.events)
    assert ("stop", "done") == (attributes(session)["earful.reason"], attributes(upload)["earful.reason"])
    words = [word for final in spoken for word in final["text"].split()]
    assert [] == [word for word in [*words, *answer.tree["text"].split()] if word.encode() in everything]


def test_each_worker_exports_its_own() -> None:
    """Made after the fork; and of the store's turns with a Redis."""
    with collecting() as collector, running_redis() as redis:
        with running(env=to(collector), workers=2, store=redis.url, **ON) as server:
            raws = []
            while len(collector.workers) < 2 or not named(collector, "store turn"):
                raws.append(RawSocket(server.address).upgrade())
                raws[-1].say("stop")
                raws[-1].hear_all()
                assert len(raws) < 1000
            for raw in raws:
                raw.close()
        await_true(lambda: len(named(collector, "session")) == len(raws))
        assert len(raws) == len({span.trace_id for span in named(collector, "session")})


def test_a_session_that_outlives_its_worker_has_one_trace() -> None:
    """Two servers and a client that resumes after a reset: two spans, one trace, the one that its id makes."""
    with (
        collecting() as collector,
        running(env=to(collector, **SECRET), tracing="on", **SETTINGS) as first,
        running(env=to(collector, **SECRET), tracing="on", **SETTINGS) as second,
    ):
        speaker = Speaker(Start())
        raw = connect(speaker, first.address)
        for piece in pieces(SPEECH[:320_000]):
            speaker.speak(piece)
        send(speaker, raw)
        while len(speaker.finals) < 2:
            assert None is hear(speaker, raw, 1)
        raw.reset()
        speaker.lost()
        speaker.stop()
        raw = connect(speaker, second.address)
        assert 1000 == getattr(hear(speaker, raw, 10_000), "code", None)
        raw.close()
        await_true(lambda: len(named(collector, "session")) == 2)
        told = [attributes(span) for span in named(collector, "session")]
        (session_id,) = {about["session.id"] for about in told}
        assert {bytes.fromhex(trace_id_of(session_id))} == {span.trace_id for span in named(collector, "session")}
        assert {None, 1} == {about.get("earful.attempt") for about in told}
        assert 2 == len(collector.workers)


def test_a_collector_that_never_answers_holds_up_nobody() -> None:
    """Sessions are answered as ever, and the server ends in time; what was lost is said."""
    with (
        collecting(is_open=False) as collector,
        running(env=to(collector), allowed={"spans were lost"}, **ON) as server,
    ):
        began = time.monotonic()
        for _ in range(5):
            assert speak(server.address)[-1]["last"]
        raw = RawSocket(server.address).upgrade()
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        raw.hear_until("partial")
        server.signal(signal.SIGTERM)
        assert "final" in {message["type"] for message in raw.hear_all()[0]}
        raw.close()
        assert 0 == server.exit_code(within_s=8)
        assert time.monotonic() - began < 15
        assert server.log.wait_for("spans were lost")["lost"] > 0


def test_a_collector_that_is_not_there_is_no_trouble_of_sessions() -> None:
    """Nor is a `traceparent` that is none."""
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with running(env=nowhere, allowed={"spans were lost"}, **ON) as server:
        assert speak(server.address)[-1]["last"]
        assert speak(server.address, traceparent="00-nonsense")[-1]["last"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_the_extra_a_start_with_tracing_is_refused(workers: str, tmp_path: Path) -> None:
    """One sentence, whoever would have traced."""
    hidden = tmp_path / "opentelemetry" / "sdk.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ModuleNotFoundError('not here', name='opentelemetry.sdk')")
    first = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *PATHS])}
    done = run("serve", "--port", "0", "--workers", workers, "--tracing", "on", env=first)
    check_refusal(done, "tracing is on (flag --tracing), but OpenTelemetry is not installed; install earful[otel]")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_exporter_that_is_not_installed_is_refused(workers: str) -> None:
    """By its name."""
    env = {"OTEL_TRACES_EXPORTER": "smoke-signals"}
    check_refusal(
        run("serve", "--port", "0", "--workers", workers, "--tracing", "on", env=env),
        "OTEL_TRACES_EXPORTER is 'smoke-signals'; no exporter of this name is installed",
    )
