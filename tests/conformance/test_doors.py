"""How a WebSocket is reached: proxies, TLS, event loops, large messages; how it ends with its server."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest
import tests.support.inside
import uvloop
from tests.support.certificate import make_certificate
from tests.support.echo import echoing
from tests.support.inside import Inside, Threaded, inside
from tests.support.raw import BINARY, CLOSE, PATIENCE_S, PING, PONG, TEXT, RawSocket, connected, frame
from tests.support.server import await_true
from tests.support.sounds import speech, wav
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.session.session import Session
from earful.transport.fast_connection import FastConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.echo import NewLoop

    from earful.app import Service

    Configured = Callable[..., AbstractContextManager[Inside]]

pytestmark = pytest.mark.e2e

LOOPS = pytest.mark.parametrize(
    "new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"]
)
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0}


@pytest.fixture
def configured(transport: str, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """A server whose uvicorn has options that `earful serve` has no setting for."""

    def start(
        *, loop_factory: NewLoop = uvloop.new_event_loop, settings: dict[str, Any] = QUICK, **options: Any
    ) -> AbstractContextManager[Inside]:
        class Optioned(Threaded):
            """Which are set before uvicorn reads them."""

            def __init__(self, service: Service, ops_listener: socket.socket | None) -> None:
                super().__init__(service, ops_listener)
                for name, value in options.items():
                    setattr(self.config, name, value)

        monkeypatch.setattr(tests.support.inside, "Threaded", Optioned)
        return inside(transport=transport, loop_factory=loop_factory, **settings)

    return start


@pytest.mark.parametrize(("trusted", "peer"), [("127.0.0.1", "203.0.113.9"), ("192.0.2.1", "127.0.0.1")])
def test_only_a_trusted_proxy_names_the_peer(trusted: str, peer: str, configured: Configured) -> None:
    """In the log."""
    with configured(forwarded_allow_ips=trusted) as server:
        with connected(server.address, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https") as raw:
            raw.say("stop")
            raw.hear_all()
        assert peer == server.log.wait_for("session ended")["peer"]


def test_a_proxy_may_serve_us_under_a_path_of_its_own(configured: Configured) -> None:
    """It takes its prefix off, as uvicorn's `root_path` has it."""
    with configured(root_path="/speech") as server, connected(server.address) as raw:
        raw.say("stop")
        assert 1000 == raw.hear_all()[1].code


def conversation(raw: RawSocket) -> None:
    """A sentence, both kinds of frame, and a close that is agreed on."""
    raw.say("start")
    assert "started" == raw.hear()["type"]
    for piece in pieces(SENTENCE):
        raw.send(BINARY, piece)
    raw.say("stop")
    heard, end = raw.hear_all()
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


@LOOPS
def test_a_session_is_the_same_on_each_loop(new_loop: NewLoop, transport: str) -> None:
    """Of uvloop where there is one, asyncio elsewhere."""
    with inside(transport=transport, loop_factory=new_loop, **QUICK) as server:
        tasks = server.tasks
        with connected(server.address) as raw:
            conversation(raw)
        server.await_empty(tasks)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate of our own and its key, as uvicorn's options."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    return {"ssl_certfile": certificate, "ssl_keyfile": key}


def secured(raw: RawSocket, certificate: dict[str, Path]) -> RawSocket:
    """The same connection with TLS on it."""
    context = ssl.create_default_context(cafile=str(certificate["ssl_certfile"]))
    raw.socket = context.wrap_socket(raw.socket, server_hostname="127.0.0.1")
    return raw


@LOOPS
def test_tls_changes_nothing(new_loop: NewLoop, certificate: dict[str, Path], configured: Configured) -> None:
    """A session to its end, and a broken frame that is explained; nothing is left of either."""
    with configured(loop_factory=new_loop, **certificate) as server:
        tasks = server.tasks
        raw = secured(RawSocket(server.address), certificate).upgrade()
        conversation(raw)
        raw.close()
        raw = secured(RawSocket(server.address), certificate).upgrade()
        raw.send_bytes(frame(TEXT, b"\xff") + frame(BINARY, bytes(3200)) * 50)
        assert 1007 == raw.hear_all()[1].code
        raw.close()
        server.await_empty(tasks)
        await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)


@LOOPS
@pytest.mark.parametrize("said", [b"", HALF_A_HELLO], ids=["nothing", "half a hello"])
def test_a_tls_handshake_has_no_longer_than_an_upgrade(
    new_loop: NewLoop, certificate: dict[str, Path], said: bytes, configured: Configured
) -> None:
    """Who does not finish it is closed, without a word in the log; the loops' own limit is a minute."""
    settings = {"handshake_timeout_s": 0.3}
    with configured(loop_factory=new_loop, settings=settings, **certificate) as server:
        raw = RawSocket(server.address)
        raw.socket.settimeout(PATIENCE_S)
        raw.socket.sendall(said)
        assert b"" == raw.socket.recv(1)
        raw.close()
        secured(RawSocket(server.address), certificate).upgrade().close()


CROWDED: dict[str, Any] = {"handshake_timeout_s": 60, "allowed": ("silent connections made way",), **QUICK}


def come_in(server: Inside) -> RawSocket:
    """Connect and say nothing yet; the server knows of it."""
    before = server.call(lambda: list(server.server.lobby))
    raw = RawSocket(server.address)
    await_true(lambda: server.call(lambda: list(server.server.lobby)) != before)
    return raw


def status(raw: RawSocket) -> int:
    """Of an answer, which is read to its end."""
    with HTTPResponse(raw.socket) as answer:
        answer.begin()
        answer.read()
        return answer.status


def check_order(server: Inside, waiting: list[RawSocket]) -> None:
    """Each who comes costs the next of them its connection; with the last nobody is left."""
    others = []
    for raw in waiting:
        others.append(come_in(server))
        assert b"" == raw.socket.recv(1)
    for raw in (*waiting, *others):
        raw.close()
    await_true(lambda: server.call(lambda: len(server.server.lobby)) == 0)


@LOOPS
def test_who_has_been_silent_longest_makes_way(new_loop: NewLoop, transport: str) -> None:
    """With half a request, with none, after an answer: in the order in which they began to be owed nothing.

    A session and an upload, whose requests came before, go on.
    """
    with inside(transport=transport, loop_factory=new_loop, **CROWDED) as server, connected(server.address) as live:
        uploading = RawSocket(server.address)
        body = wav(speech(0.5))
        uploading.send_bytes(b"POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        await_true(lambda: server.call(lambda: server.service.registry.uploads) == 1)
        server.server.lobby.most = 3
        kept, half, quiet = (come_in(server) for _ in range(3))
        half.send_bytes(GET[:10])
        kept.send_bytes(GET)
        assert 200 == status(kept)
        check_order(server, [half, quiet, kept])
        conversation(live)
        uploading.send_bytes(body)
        assert 200 == status(uploading)
        uploading.close()


@LOOPS
def test_over_tls_a_handshake_makes_way_as_well(
    new_loop: NewLoop, certificate: dict[str, Path], configured: Configured
) -> None:
    """One that has not begun, one that has, one that is done and followed by nothing; a session goes on."""
    with configured(loop_factory=new_loop, settings=CROWDED, **certificate) as server:
        live = secured(RawSocket(server.address), certificate).upgrade()
        server.server.lobby.most = 3
        quiet, half, done = (come_in(server) for _ in range(3))
        half.send_bytes(HALF_A_HELLO)
        check_order(server, [quiet, half, secured(done, certificate)])
        conversation(live)
        live.close()


@LOOPS
def test_over_tls_a_peer_that_closes_twice_closes_once(
    new_loop: NewLoop, certificate: dict[str, Path], configured: Configured
) -> None:
    """It breaks nothing."""
    with configured(loop_factory=new_loop, **certificate) as server:
        raw = secured(RawSocket(server.address), certificate).upgrade()
        raw.send_bytes(frame(CLOSE, b"\x03\xe8") * 2 + frame(TEXT, b"{}"))
        assert 1000 == raw.hear_all()[1].code
        assert "peer_closed" == server.log.wait_for("session ended")["reason"]
        raw.close()


@LOOPS
def test_over_tls_too_it_is_known_what_waits(
    new_loop: NewLoop, certificate: dict[str, Path], configured: Configured
) -> None:
    """Nothing, where the peer reads; where it does not, the newest ping's answer comes behind what waits, by itself."""
    with configured(loop_factory=new_loop, settings={"max_messages_per_s": 1e6}, **certificate) as server:
        raw = secured(RawSocket(server.address, receive_buffer_bytes=4096), certificate).upgrade()
        (wire,) = server.call(lambda: list(server.server.server_state.connections))
        for number in range(4):
            raw.send(PING, b"%d" % number)
            assert (PONG, b"%d" % number) == raw.read_frame()
            assert not getattr(wire, "_is_clogged", False)
        floods, flood = 0, frame(PING, bytes(125)) * 1000
        while not server.call(wire.transport.get_write_buffer_size):
            raw.send_bytes(flood)
            floods += 1
        raw.send(PING, b"newest")
        while raw.read_frame() != (PONG, b"newest"):
            continue
        assert 0 < floods
        raw.close()


@LOOPS
def test_large_messages_to_a_slow_reader_arrive_whole_and_in_order(new_loop: NewLoop, transport: str) -> None:
    """Long ones with short ones between, read only when no more of them can be sent."""
    sizes = [9_000, 4, 70_000, 4, 125, 126] * 60
    messages = [str(number).encode().ljust(size, b".")[:size] for number, size in enumerate(sizes)]
    with echoing(transport, new_loop) as address:
        raw = RawSocket(address, receive_buffer_bytes=4096).upgrade()

        def send() -> None:
            raw.socket.settimeout(PATIENCE_S)
            for message in messages:
                raw.send(BINARY, message)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        sender.join(0.5)  # It is done, or waits for us.
        for message in messages:
            assert (BINARY, message) == raw.read_frame()
        sender.join(PATIENCE_S)
        raw.close()


def test_a_server_that_ends_waits_for_no_peer_that_does_not_read(transport: str) -> None:
    """1012 to who listens; the others are dropped, and nothing is logged of it."""
    settings: dict[str, Any] = {"mock_latency_ms": 60_000, "max_speed": 0}
    late = ("drain ran out of time",)
    with inside(transport=transport, drain_s=0.6, allowed=late, **settings) as server:
        sockets = [RawSocket(server.address, receive_buffer_bytes=4096).upgrade() for _ in range(2)]
        for raw in sockets:
            for piece in pieces(SENTENCE):
                raw.say_audio(piece)
        server.call(server.server.stop)
        server.log.wait_for("session ended", 2)
    assert 2 == len(server.log.all_of("session ended"))
    for raw in sockets:
        raw.close()


def alive() -> set[tuple[str, int]]:
    """Every connection and session of this process, also of tests that failed before this one."""
    return {(type(one).__name__, id(one)) for one in gc.get_objects() if isinstance(one, FastConnection | Session)}


def test_nothing_of_a_connection_waits_for_the_collector(transport: str) -> None:
    """Its protocol and its session go when it goes, with the collector off."""
    with inside(transport=transport, **QUICK) as server:
        tasks = server.tasks
        gc.collect()
        before = alive()
        gc.disable()
        try:
            for _ in range(5):
                with connected(server.address) as raw:
                    conversation(raw)
                    server.log.wait_for("session ended")
            server.await_empty(tasks)
            left = alive() - before
        finally:
            gc.enable()
    assert set() == left
