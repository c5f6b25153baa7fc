"""How the process ends: SIGTERM with sessions speaking, a drain asked for over HTTP, and a second signal."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from base64 import b64encode
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.raw import RawSocket
from tests.support.server import running
from tests.support.speech import OPENING, SENTENCE, of_type, pieces
from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from tests.support.server import Running

pytestmark = pytest.mark.e2e

SPEAKING = 200


def speaking(raw: RawSocket, *, opted_in: bool) -> None:
    """In the middle of a sentence."""
    if opted_in:
        raw.say("start")
    for piece in pieces(OPENING):
        raw.say_audio(piece)


def held_up(raw: RawSocket) -> None:
    """In the middle of a sentence that its model does not answer: a signal must not overtake the audio."""
    speaking(raw, opted_in=True)
    raw.say("anything")
    assert "unknown_type" == raw.hear_until("error")[-1]["code"]


def drained_within_s(server: Running) -> float:
    """What the drain took by the server's own log: how long its process then takes to go depends on the load."""
    began, ended = (server.log.wait_for(event, 1)["timestamp"] for event in ("draining", "stopped"))
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals, transport: str) -> None:
    """Plain clients and those with `start` get their finals, `draining`, 1012; exit 0, no traceback."""
    with running(drain_s=5, max_speed=0, transport=transport) as server:
        clients = [RawSocket(server.address).upgrade() for _ in range(4)]
        for nth, raw in enumerate(clients):
            speaking(raw, opted_in=nth % 2 == 1)
            raw.hear_until("partial")
        began = time.monotonic()
        server.signal(number)
        answers = [raw.hear_all() for raw in clients]
        assert 0 == server.exit_code()
        assert time.monotonic() - began < 5
        for raw in clients:
            raw.close()
    for nth, (heard, end) in enumerate(answers):
        kinds = [message["type"] for message in heard if message["type"] != "partial"]
        assert (["closing"] if nth % 2 else []) + ["final", "error"] == kinds
        assert ("draining", 1012) == (heard[-1]["code"], end.code)
        assert of_type("final", heard)[0]["text"]


async def crowd(url: str) -> list[ClientConnection]:
    """Sessions in the middle of a sentence."""

    async def speak() -> ClientConnection:
        socket = await connect(url, compression=None, ping_interval=None)
        for piece in pieces(SENTENCE[:96_000], 32_000):
            await socket.send(json.dumps({"type": "audio_chunk", "data": b64encode(piece).decode()}))
        async with asyncio.timeout(30):
            await socket.recv()  # A partial: the server has heard of this sentence, and owes its final.
        return socket

    return list(await asyncio.gather(*(speak() for _ in range(SPEAKING))))


async def hear(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """To the end."""
    heard = []
    async with asyncio.timeout(30):
        while True:
            try:
                heard.append(json.loads(await socket.recv()))
            except Exception:  # noqa: BLE001 - whatever ends it: the close code says
                return heard, socket.close_code


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_two_hundred_sessions_are_drained_in_time(transport: str) -> None:
    """Each gets the final it is owed; the process ends with 0 within `drain_s`."""
    with running(drain_s=8, max_speed=0, transport=transport) as server:

        async def main() -> tuple[list[tuple[list[dict[str, Any]], int | None]], float]:
            sockets = await crowd(server.address.ws)
            began = time.monotonic()
            server.signal()
            answers = await asyncio.gather(*(hear(socket) for socket in sockets))
            await asyncio.to_thread(server.exit_code)
            return list(answers), time.monotonic() - began

        answers, took_s = asyncio.run(main())
    assert {1012} == {code for _, code in answers}
    for heard, _ in answers:
        assert [0] == [final["index"] for final in of_type("final", heard)]
        assert ("draining", True) == (heard[-1]["code"], bool(of_type("final", heard)[0]["text"]))
    assert took_s < 8


def test_a_drain_that_a_model_holds_up_ends_in_time() -> None:
    """`drain_s` bounds it; the code is 0 all the same, and the log says that somebody was left."""
    with running(drain_s=3, mock_latency_ms=60_000, max_speed=0, allowed=("drain ran out of time",)) as server:
        raw = RawSocket(server.address).upgrade()
        held_up(raw)
        server.signal()
        heard, end = raw.hear_all()
        assert 0 == server.exit_code()
        assert drained_within_s(server) < 3
        raw.close()
        server.log.wait_for("drain ran out of time")
    assert (["closing", "error"], 1012) == ([message["type"] for message in heard], end.code)


def test_a_peer_that_does_not_read_holds_up_no_drain() -> None:
    """What it does not take is dropped when the server ends."""
    settings: dict[str, Any] = {
        "mock_words_per_chunk": 100,
        "send_buffer_bytes": 4096,
        "max_speed": 0,
        "mock_latency_ms": 1,
    }
    with running(drain_s=3, **settings) as server:
        raw = RawSocket(server.address, receive_buffer_bytes=4096).upgrade()
        raw.say("start", words=True, partials="cumulative")
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)
        raw.say("keepalive")
        server.signal()
        assert 0 == server.exit_code()
        assert drained_within_s(server) < 3
        raw.close()


def test_a_second_signal_ends_it_within_a_second() -> None:
    """Whatever is still open."""
    with running(drain_s=60, mock_latency_ms=60_000, exit_code=1, allowed=("drain ran out of time",)) as server:
        raw = RawSocket(server.address).upgrade()
        held_up(raw)
        server.signal()
        raw.hear_until("closing")
        began = time.monotonic()
        server.signal()
        assert 1 == server.exit_code()
        assert time.monotonic() - began < 1.0
        raw.close()


def test_a_drain_can_be_asked_for() -> None:
    """`POST /v1/drain` is as SIGTERM."""
    with running() as server:
        raw = RawSocket(server.address).upgrade()
        raw.say("stop")
        raw.hear_all()
        raw.close()
        assert 202 == server.address.request("POST", "/v1/drain").status
        assert 0 == server.exit_code()


def test_a_drained_worker_says_that_nothing_is_left() -> None:
    """Sessions came and went; the summary at the end has the numbers of the beginning."""
    with running(mock_latency_ms=1, max_speed=0) as server:
        for _ in range(20):
            raw = RawSocket(server.address).upgrade()
            speaking(raw, opted_in=True)
            raw.say("stop")
            assert 1000 == raw.hear_all()[1].code
            raw.close()
        idle = server.log.wait_for("idle")
    assert (0, 0, 0, 0, 0) == tuple(
        idle[k] for k in ("sessions", "slots", "buffered_bytes", "unsent_bytes", "model_calls")
    )
