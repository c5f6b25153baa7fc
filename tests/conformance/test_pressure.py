"""Backpressure on the wire: who sends too much is read no faster, who reads too little is bounded, nothing is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, CONTINUATION, PING, TEXT, RawSocket, connected, frame
from tests.support.server import await_true
from tests.support.speech import SPEECH, expected, finals, of_type, pieces

from earful.models.mock import MockASRModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.e2e

GATED = f"{__name__}:Gated"


class Gated:
    """A mock that hears nothing before `gate` is opened, from any thread."""

    gate = threading.Event()

    def __init__(self) -> None:
        self._mock = MockASRModel(latency_ms=0)

    async def transcribe_chunk(self, audio: bytes) -> Any:
        """As the mock, later."""
        await self._pass()
        return await self._mock.transcribe_chunk(audio)

    async def finalize(self) -> Any:
        """As the mock, later."""
        await self._pass()
        return await self._mock.finalize()

    async def _pass(self) -> None:
        await asyncio.to_thread(type(self).gate.wait, 15)


def gated(**settings: Any) -> AbstractContextManager[Inside]:
    """A server whose model waits for the test."""
    Gated.gate.clear()
    return inside(model=GATED, max_speed=0, **settings)


@pytest.fixture(autouse=True)
def _opened() -> Iterator[None]:
    """No test leaves a model waiting."""
    yield
    Gated.gate.set()


def in_background(do: Callable[[], None]) -> threading.Thread:
    """Do it in a thread that holds up no exit."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def backlog_ms(server: Inside) -> int:
    """Of the only session."""
    session = server.connection.session
    return server.call(lambda: session.backlog_ms)


def test_audio_the_model_cannot_take_waits_in_the_clients_kernel(transport: str) -> None:
    """The socket is not read above `max_buffered_ms`; later everything is heard, and nothing was dropped."""
    recording = SPEECH * 20
    with gated(transport=transport, max_buffered_ms=1000) as server, connected(server.address) as raw:
        raw.say("start", partials="off")
        raw.hear()
        held = server.connection

        def send() -> None:
            for piece in pieces(recording, 16_000):
                raw.send(BINARY, piece)
            raw.say("stop")

        sender = in_background(send)
        await_true(lambda: server.call(lambda: held.session.is_held))
        sender.join(0.3)
        assert sender.is_alive()
        assert 1000 < backlog_ms(server) <= 1000 + 2 * 500
        Gated.gate.set()
        heard, end = raw.hear_all()
        sender.join(5)
    assert 6 * 20 == len(finals(heard))
    assert (expected(recording), 1000) == (finals(heard), end.code)
    assert len(recording) // 32 == of_type("final", heard)[-1]["end_ms"]


def test_who_is_not_read_is_not_judged(transport: str) -> None:
    """Neither idle nor dead to pings nor too fast, however long the model takes."""
    limits: dict[str, Any] = {
        "idle_timeout_s": 0.3,
        "ping_interval_s": 0.1,
        "ping_timeout_s": 0.1,
        "max_buffered_ms": 500,
    }
    with gated(transport=transport, **limits) as server, connected(server.address) as raw:
        for piece in pieces(SPEECH[:128_000]):
            raw.say_audio(piece)
        await_true(lambda: backlog_ms(server) > 500)
        since = server.call(server.service.registry._clock)
        await_true(lambda: server.call(server.service.registry._clock) - since > 1.0)
        assert 1 == len(server.service.registry.connections)
        Gated.gate.set()
        raw.say("stop")
        heard, end = raw.hear_all()
    assert (expected(SPEECH[:128_000]), 1000) == (finals(heard), end.code)


def test_messages_above_the_rate_are_read_no_faster(transport: str) -> None:
    """No error; all are heard in the end."""
    settings: dict[str, Any] = {"max_messages_per_s": 100, "mock_latency_ms": 1, "max_speed": 0}
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        raw.say("start")
        raw.hear()
        raw.send_bytes(b"".join(frame(BINARY, b"\0\0") for _ in range(150)) + frame(TEXT, b'{"type":"stop"}'))
        heard, end = raw.hear_all()
        ended = server.log.wait_for("session ended")
    assert (["final"], 1000, 150) == ([message["type"] for message in heard], end.code, ended["chunks"])
    assert ended["duration_s"] > 0.4


def test_pings_above_the_rate_are_answered_no_faster(transport: str) -> None:
    """A flood of pings waits in the client's kernel like any other."""
    with inside(transport=transport, max_messages_per_s=100) as server, connected(server.address) as raw:
        raw.send_bytes(frame(PING, bytes(100)) * 200)
        connection = server.connection
        await_true(lambda: server.call(lambda: connection.session.is_held))
        pongs = 0
        raw.socket.settimeout(0.1)
        while server.call(lambda: connection.session.is_held):
            try:
                raw.read_frame()
                pongs += 1
            except TimeoutError:
                continue
        raw.socket.settimeout(30)
        for _ in range(200 - pongs):
            raw.read_frame()
        raw.say("stop")
        assert 1000 == raw.hear_all()[1].code


def test_empty_parts_of_a_message_above_the_rate_are_read_no_faster(transport: str) -> None:
    """However many of them one read holds: they are no bytes, and cost as much as messages do."""
    with inside(transport=transport, max_messages_per_s=100) as server, connected(server.address) as raw:
        part = frame(CONTINUATION, b"", first=0)
        raw.send_bytes(frame(TEXT, b'{"type":', first=0) + part * 5000)
        connection = server.connection
        await_true(lambda: server.call(lambda: connection.session.is_held))
        since = server.call(server.service.registry._clock)
        await_true(lambda: server.call(server.service.registry._clock) - since > 1.0)
        assert server.call(lambda: connection.session.is_held)


def test_a_message_in_very_many_parts_is_heard_when_its_time_has_come(transport: str) -> None:
    """Nothing of it is lost while its reading is held back."""
    with inside(transport=transport, max_messages_per_s=500) as server, connected(server.address) as raw:
        part = frame(CONTINUATION, b"", first=0)
        raw.send_bytes(frame(TEXT, b'{"type":', first=0) + part * 1500 + frame(CONTINUATION, b'"stop"}'))
        assert 1000 == raw.hear_all()[1].code


def test_an_unsent_partial_is_replaced_by_the_newer_and_finals_all_come(transport: str) -> None:
    """Whoever reads late hears every final, in order, and is spared most partials."""
    settings: dict[str, Any] = {
        "send_buffer_bytes": 4096,
        "mock_words_per_chunk": 40,
        "max_unsent_s": 30,
        "max_buffered_ms": 500,
    }
    with inside(transport=transport, mock_latency_ms=1, max_speed=0, **settings) as server:
        raw = RawSocket(server.address, receive_buffer_bytes=4096).upgrade()
        raw.say("start", partials="cumulative")
        for piece in pieces(SPEECH):
            raw.send(BINARY, piece)
        raw.say("stop")
        session_id = raw.response.headers["x-session-id"]
        # Long enough for all results to be made: it is over, or waits for this reader.
        await_true(lambda: server.call(lambda: session_id not in server.service.registry.connections))
        heard, end = raw.hear_all()
        raw.close()
        partials = server.log.wait_for("session ended")["partials"]
    assert (list(range(7)), 1000) == ([final["index"] for final in of_type("final", heard)], end.code)
    assert len(of_type("partial", heard)) < partials


def test_the_kernels_send_buffer_is_bounded(transport: str) -> None:
    """Or the bound on unsent results never shows; Linux doubles what it is asked for."""
    with inside(transport=transport, send_buffer_bytes=8192) as server, connected(server.address):
        states = server.call(lambda: list(server.server.server_state.connections))
        accepted = [state.transport.get_extra_info("socket") for state in states]
        assert [16_384] == [one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for one in accepted]
