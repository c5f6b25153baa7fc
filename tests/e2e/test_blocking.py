"""No callback holds the event loop for more than 50 ms, whatever clients send and however slow the model is."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.heartbeat import watch_callbacks
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, RawSocket, connected
from tests.support.speech import SPEECH, finals, pieces

from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e

LONGEST_MS = 50.0
UPLOAD_BYTES = 60_000_000


def upload_much(server: Inside) -> None:
    """Half an hour of audio, 60 MB, as a WAV file."""
    header = sample().read_bytes()[:44]
    body = (
        header[:40] + UPLOAD_BYTES.to_bytes(4, "little") + (SPEECH * (UPLOAD_BYTES // len(SPEECH) + 1))[:UPLOAD_BYTES]
    )
    answer = server.address.request("POST", "/v1/transcribe", body)
    assert (200, UPLOAD_BYTES // 32) == (answer.status, answer.tree["duration_ms"])
    assert len(answer.tree["segments"]) > 300


def upload_a_form(server: Inside) -> None:
    """The same as a form."""
    begin = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    header = sample().read_bytes()[:44]
    body = begin + header[:40] + (50_000_000).to_bytes(4, "little") + bytes(50_000_000) + b"\r\n--x--\r\n"
    answer = server.address.request("POST", "/v1/transcribe", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert (200, 50_000_000 // 32) == (answer.status, answer.tree["duration_ms"])


def stream_long_chunks(server: Inside) -> None:
    """Chunks of 10 s, as mu-law at 8 kHz, at 48 kHz in stereo, and native."""
    for encoding, rate_hz, channels, sample_bytes in (
        ("mulaw", 8000, 1, 1),
        ("pcm_s16le", 48_000, 1, 2),
        ("pcm_f32le", 16_000, 1, 4),
        ("pcm_s16le", 16_000, 1, 2),
    ):
        with connected(server.address) as raw:
            raw.say("start", encoding=encoding, sample_rate=rate_hz, channels=channels)
            raw.hear()
            size_bytes = 10 * rate_hz * channels * sample_bytes
            for piece in pieces((SPEECH * 4)[: 3 * size_bytes], size_bytes):
                raw.send(BINARY, piece)
            raw.say("stop")
            assert 1000 == raw.hear_all()[1].code


def stream_to_a_slow_model(server: Inside) -> None:
    """Twenty sessions, each call of the model 2 s long: a sleep that yields."""
    clients = [RawSocket(server.address).upgrade() for _ in range(20)]
    for raw in clients:
        for piece in pieces(SPEECH[:131_200]):
            raw.say_audio(piece)
        raw.say("stop")
    for raw in clients:
        heard, end = raw.hear_all()
        assert (1, 1000) == (len(finals(heard)), end.code)
        raw.close()


@pytest.mark.parametrize(
    ("load", "mock_latency_ms", "transport"),
    [
        (upload_much, 1, "asgi"),
        (upload_a_form, 1, "asgi"),
        (stream_long_chunks, 1, "fast"),
        (stream_long_chunks, 1, "asgi"),
        (stream_to_a_slow_model, 2000, "fast"),
        (stream_to_a_slow_model, 2000, "asgi"),
    ],
)
def test_nothing_holds_the_loop(
    load: Callable[[Inside], None], mock_latency_ms: int, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU time of each callback of the loop, as the scheduler gave it; nothing in it sleeps."""
    settings: dict[str, Any] = {"mock_latency_ms": mock_latency_ms, "max_speed": 0, "max_message_bytes": 4_000_000}
    with inside(loop_factory=asyncio.SelectorEventLoop, transport=transport, **settings) as server:
        longest = watch_callbacks(monkeypatch)
        load(server)
        assert longest.cpu_ms > 0
        assert longest.cpu_ms < LONGEST_MS, longest


def test_the_loop_answers_others_meanwhile() -> None:
    """In wall time: health is asked all through an upload, and the median answer takes under 50 ms."""
    answers_ms: list[float] = []
    with inside(mock_latency_ms=1) as server:
        upload = threading.Thread(target=upload_much, args=(server,))
        upload.start()
        while upload.is_alive():
            began = time.monotonic()
            assert "ok" == server.address.get("/v1/health")["status"]
            answers_ms.append((time.monotonic() - began) * 1000)
        upload.join()
    assert len(answers_ms) > 10
    assert sorted(answers_ms)[len(answers_ms) // 2] < LONGEST_MS
