"""Every way a client can leave, and what is left of it: nothing, neither slots nor tasks nor descriptors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from tests.support.inside import Inside, inside
from tests.support.raw import CLOSE, TEXT, Gone, RawSocket, frame, request
from tests.support.server import await_true
from tests.support.speech import CHUNK_BYTES, OPENING, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

SETTINGS: dict[str, Any] = {
    "mock_latency_ms": 5,
    "max_speed": 0,
    "ping_interval_s": 0.3,
    "ping_timeout_s": 0.3,
    "max_unsent_s": 0.5,
    "handshake_timeout_s": 0.5,
}
LOOPS = [uvloop.new_event_loop, asyncio.SelectorEventLoop]
HALF_A_FRAME = frame(TEXT, b'{"type":"stop"}')[:9]


@pytest.fixture
def server(transport: str, request: pytest.FixtureRequest) -> Iterator[Inside]:
    """A server with short deadlines; on uvloop where the test does not say otherwise."""
    with inside(transport=transport, loop_factory=getattr(request, "param", uvloop.new_event_loop), **SETTINGS) as here:
        yield here


def open_files() -> int:
    """Descriptors of this process: the server's and ours."""
    return len(list(Path("/proc/self/fd").iterdir()))


def speaking(server: Inside, **start: object) -> RawSocket:
    """A client in the middle of a sentence, the model at work on it."""
    raw = RawSocket(server.address, receive_buffer_bytes=4096).upgrade()
    raw.say("start", **start)
    for piece in pieces(OPENING):
        raw.say_audio(piece)
    return raw


def stop(raw: RawSocket) -> None:
    """As the protocol has it."""
    raw.say("stop")
    assert 1000 == raw.hear_all()[1].code


def close_frame(raw: RawSocket) -> None:
    """Close, and wait for no answer."""
    raw.send(CLOSE, b"\x03\xe8")


def close_frame_and_wait(raw: RawSocket) -> None:
    """Close in order."""
    raw.send(CLOSE, b"\x03\xe8")
    assert 1000 == raw.hear_all()[1].code


def fin(raw: RawSocket) -> None:
    """Close the socket; a reset where results were unread."""
    raw.close()


def rst(raw: RawSocket) -> None:
    """Reset."""
    raw.reset()


def half_close(raw: RawSocket) -> None:
    """Stop sending and go on reading."""
    raw.shut_down_writing()
    raw.hear_all()


def stop_and_half_close(raw: RawSocket) -> None:
    """The same behind `stop`."""
    raw.say("stop")
    raw.shut_down_writing()
    raw.hear_all()


def half_a_frame(raw: RawSocket) -> None:
    """Reset in the middle of a frame."""
    raw.send_bytes(HALF_A_FRAME)
    raw.reset()


def stop_and_rst(raw: RawSocket) -> None:
    """Reset before the answer."""
    raw.say("stop")
    raw.reset()


def break_the_protocol(raw: RawSocket) -> None:
    """Send a frame that cannot be."""
    raw.send(3, b"")


def vanish(raw: RawSocket) -> None:
    """Say and read nothing more, pongs neither, and keep the connection."""


def stop_and_vanish(raw: RawSocket) -> None:
    """Ask for the end and take none of it."""
    raw.say("stop")


WAYS = [
    stop,
    close_frame,
    close_frame_and_wait,
    fin,
    rst,
    half_close,
    stop_and_half_close,
    half_a_frame,
    stop_and_rst,
    break_the_protocol,
    vanish,
    stop_and_vanish,
]


@pytest.mark.parametrize("server", LOOPS, indirect=True, ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("leave", WAYS)
def test_nothing_is_left_of_clients_that_leave(leave: Callable[[RawSocket], None], server: Inside) -> None:
    """Five at once, in the middle of a sentence; the end is told once each."""
    # At the first connection uvloop opens a file for itself.
    assert 200 == server.address.request("GET", "/livez").status
    await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)
    tasks = server.tasks
    files = server.call(open_files)
    clients = [speaking(server) for _ in range(5)]
    for raw in clients:
        leave(raw)
    server.log.wait_for("session ended", 5)
    server.await_empty(tasks)
    for raw in clients:
        raw.close()
    await_true(lambda: server.call(open_files) <= files)
    assert (files, tasks) == (server.call(open_files), server.tasks)
    assert 5 == len(server.log.all_of("session ended"))
    assert 0 == server.address.get("/v1/metrics")["active_connections"]


@pytest.mark.parametrize("last", [b"", b"GET /v1/transcribe/str", request()[:-2], request()])
@pytest.mark.parametrize("leave", [fin, rst, vanish])
def test_nothing_is_left_of_handshakes_that_break(
    leave: Callable[[RawSocket], None], last: bytes, server: Inside
) -> None:
    """Anywhere in the request, or behind it with the answer unread; no slot stays taken."""
    tasks = server.tasks
    clients = [RawSocket(server.address) for _ in range(3)]
    for raw in clients:
        raw.send_bytes(last)
        leave(raw)
    await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)
    server.await_empty(tasks)
    for raw in clients:
        raw.close()
    assert tasks == server.tasks


@pytest.mark.parametrize("loop_factory", LOOPS, ids=["uvloop", "asyncio"])
@pytest.mark.parametrize(
    ("leave", "words"),
    [(stop_and_vanish, False), (stop_and_vanish, True), (close_frame, False), (break_the_protocol, False)],
)
def test_a_peer_that_does_not_take_its_results_is_dropped(
    leave: Callable[[RawSocket], None],
    words: bool,  # noqa: FBT001 - a parameter of the test
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They fit into no buffer of the kernels, so an orderly close would wait for ever."""
    monkeypatch.setattr("earful.transport.asgi.UNSENT_LINGER_S", 1.0)
    monkeypatch.setattr("earful.transport.uvicorn_ws.CLOSE_TIMEOUT_S", 0.3)
    settings: dict[str, Any] = {**SETTINGS, "mock_words_per_chunk": 100, "send_buffer_bytes": 4096}
    settings |= {"ping_timeout_s": 60, "max_unsent_s": 60}
    with inside(transport=transport, loop_factory=loop_factory, **settings) as server:
        tasks = server.tasks
        raw = speaking(server, partials="cumulative", words=words)
        raw.say("flush", id="x")
        session = server.connection.session
        await_true(lambda: server.call(lambda: session.numbers.finals) == 1)
        leave(raw)
        server.await_empty(tasks)
        await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)
        raw.close()
        assert 1 == len(server.log.all_of("session ended"))


def conversation(raw: RawSocket, sent: int, heard: int) -> None:
    """A full conversation, broken off after so many messages sent, or so many heard."""
    messages: list[Callable[[], None]] = [lambda: raw.say("start")]
    messages += [lambda piece=piece: raw.say_audio(piece) for piece in pieces(OPENING, 3 * CHUNK_BYTES)]  # type: ignore[misc]
    messages += [lambda: raw.say("flush", id="x"), lambda: raw.say("keepalive"), lambda: raw.say("stop")]
    for message in messages[:sent]:
        message()
    for _ in range(heard):
        try:
            raw.hear()
        except Gone:
            return


@pytest.mark.parametrize("leave", [fin, rst])
def test_a_client_may_leave_after_any_message(leave: Callable[[RawSocket], None], server: Inside) -> None:
    """After its n-th sent and after its n-th heard, for every n: nothing is left behind."""
    tasks = server.tasks
    counts = [(sent, 0) for sent in range(10)] + [(9, heard) for heard in range(1, 7)]
    for sent, heard in counts:
        raw = RawSocket(server.address).upgrade()
        conversation(raw, sent, heard)
        leave(raw)
    server.log.wait_for("session ended", len(counts))
    server.await_empty(tasks)
    assert len(counts) == len(server.log.all_of("session ended"))
