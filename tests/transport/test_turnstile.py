"""The first look at a connection while nobody new is let in: what is refused there, and what goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.clock import run_virtual
from tests.support.inside import inside
from tests.support.pipe import RecordingTransport
from tests.support.raw import RawSocket, connected, request
from tests.support.server import await_true
from tests.transport.test_fast_connection import Hall
from uvicorn import Config
from uvicorn.server import ServerState

from earful.transport.fast import FastTransport
from earful.transport.turnstile import Turnstile, newcomer
from earful.transport.upgrade import PATH
from earful.transport.uvicorn_http import MAX_HEADER_BYTES, BoundedHttpProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.wire import Door

PLAIN = request()


@pytest.mark.parametrize(
    "head", [PLAIN, request(X_Request_Id="mine"), PLAIN.replace(b"Upgrade\r", b"x ,\tupgrade, y\r")]
)
def test_a_new_sessions_upgrade_is_seen(head: bytes) -> None:
    """With whatever headers."""
    found = newcomer(head)
    assert found is not None
    assert (b"sec-websocket-version", b"13") in found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN + PLAIN,
        PLAIN.replace(b"GET", b"PUT"),
        PLAIN.replace(b" HTTP", b"?resume=1 HTTP"),
        PLAIN.replace(b" HTTP", b"?refuse=close HTTP"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"stream", b"strea%6d"),
        PLAIN.replace(b"Host:", b"Ho st:"),
        PLAIN.replace(b"server", b"ser\x00ver"),
        PLAIN.replace(b"server", b"ser\xffver"),
        PLAIN.replace(b"Host: server", b"Host: server\r\n folded"),
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"websocket", b"h2c"),
        PLAIN.replace(b"Connection: Upgrade", b"Connection: close"),
        PLAIN.replace(b"Connection: Upgrade", b"Connection: Up grade"),
        request(X_Long="x" * MAX_HEADER_BYTES),
        PLAIN.replace(b"Version: 13", b"Version: 8"),
        PLAIN.replace(b"Host: server", b"Content-Length: 0"),
        PLAIN.replace(b"Host: server", b"Upgrade: websocket"),
        PLAIN.replace(b"Sec-WebSocket-Key", b"X-Key"),
        PLAIN.replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x"),
        PLAIN.replace(b"Host: server", b"Transfer-Encoding: chunked"),
        b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET " + PATH.encode() + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_all_else_is_left_to_http(data: bytes) -> None:
    """What is unfinished, has a fault, asks for something else or could be read in two ways."""
    assert newcomer(data) is None


class Http(asyncio.Protocol):
    """Stands where uvicorn's protocol would, and notes what it is given."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Note it."""
        self.heard += data


class Here:
    """One connection that comes in."""

    def __init__(self, *, is_full: bool = True) -> None:
        self.hall = Hall()
        self.hall.is_full = is_full
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self.pipe = RecordingTransport()
        shared = FastTransport(cast("Door", self.hall), 1000)
        make: Callable[..., Any] = shared.behind_turnstile(Http, timeout_s=10)
        config = Config(lambda: None, log_config=None)
        self.first = make(config=config, server_state=self.state, app_state={})
        self.first.connection_made(self.pipe)
        self.pipe.set_protocol = lambda protocol: setattr(self.pipe, "protocol", protocol)  # type: ignore[method-assign]

    @property
    def count(self) -> int:
        """Connections that the server knows of."""
        return len(self.state.connections)


def met(scenario: Callable[[Here], None], *, is_full: bool = True) -> None:
    """Run one with a loop around it."""

    async def main() -> None:
        here = Here(is_full=is_full)
        try:
            scenario(here)
        finally:
            here.pipe.close_files()

    run_virtual(main())


def test_who_is_refused_is_told_all_and_counted() -> None:
    """The status, the body, the id, when to come back and uvicorn's headers; then it is closed, and hears nothing."""

    def scenario(here: Here) -> None:
        assert (1, True) == (here.count, here.first.awaits_request)
        here.first.data_received(request(X_Request_Id="mine"))
        head, _, body = here.pipe.drain().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"date: today" in head
        assert b"retry-after: " in head
        assert {"code": "overloaded", "request_id": "mine"}.items() <= json.loads(body)["error"].items()
        assert (["close"], False) == (here.pipe.calls, here.first.awaits_request)
        refused = here.hall.log.all_of("session refused")[0]
        assert ("mine", "192.0.2.7", "fast") == (refused["request_id"], refused["peer"], refused["transport"])
        here.first.data_received(PLAIN)
        assert b"" == here.pipe.drain()
        here.first.connection_lost(None)
        assert 0 == here.count

    met(scenario)


def test_a_request_that_waits_already_is_answered_at_once() -> None:
    """Without a round of the loop; what the kernel does not take is left to the transport."""

    def scenario(here: Here) -> None:
        here.first.connection_lost(None)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(PLAIN)
            here.pipe.fileno = ours.fileno  # type: ignore[method-assign]
            here.first.connection_made(here.pipe)
            assert (b"HTTP/1.1 503", ["close"]) == (theirs.recv(4096)[:12], here.pipe.calls)
            assert b"" == here.pipe.drain()
            here.first._fd = -1
            here.first._say(b"more")
            assert b"more" == here.pipe.drain()

    met(scenario)


@pytest.mark.parametrize("data", [b"GET /healthz HTTP/1.1\r\n\r\n", PLAIN[:20], PLAIN.replace(b" HTTP", b"?a=1 HTTP")])
def test_who_wants_something_else_goes_on(data: bytes) -> None:
    """With all that came, as if HTTP had been there from the beginning."""

    def scenario(here: Here) -> None:
        here.first.data_received(data)
        assert isinstance(here.pipe.protocol, Http)
        assert (data, here.pipe, b"") == (here.pipe.protocol.heard, here.pipe.protocol.transport, here.pipe.drain())
        assert {"config", "server_state", "app_state", "since"} == here.pipe.protocol.given.keys()
        assert here.first._since == here.pipe.protocol.given["since"]
        assert (0, []) == (here.count, here.pipe.calls)

    met(scenario)


def test_a_place_that_is_free_by_the_time_of_the_request_can_be_had() -> None:
    """The door is asked again."""

    def scenario(here: Here) -> None:
        here.hall.is_full = False
        here.first.data_received(PLAIN)
        assert PLAIN == here.pipe.protocol.heard

    met(scenario)


def test_while_there_are_places_nobody_stands_before_http() -> None:
    """It costs nothing then."""

    def scenario(here: Here) -> None:
        assert isinstance(here.first, Http)

    met(scenario, is_full=False)


def test_who_says_nothing_is_sent_away() -> None:
    """After as long as a handshake may take."""

    async def main() -> None:
        here = Here()
        here.first._since = 100.0
        here.first.tick(110.0)
        assert [] == here.pipe.calls
        here.first.tick(110.1)
        assert ["abort"] == here.pipe.calls
        here.first.shutdown()
        assert ["abort", "close"] == here.pipe.calls
        here.pipe.close_files()

    run_virtual(main())


def test_a_full_worker_answers_everything_else() -> None:
    """Health, and who resumes, over real sockets; when a place is free again the next is let in."""
    with inside(max_sessions=1, resume_reserve=100) as server:
        with connected(server.address):
            assert 503 == RawSocket(server.address).upgrade().response.status
            waiting = RawSocket(server.address)
            with connected(server.address, f"{PATH}?resume=1") as resuming:
                assert 101 == resuming.response.status
            health = RawSocket(server.address)
            health.send_bytes(b"GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert health._take(15).startswith(b"HTTP/1.1 200")
            kinds = [type(one) for one in server.call(server.server.http_connections)]
            assert 1 == kinds.count(Turnstile)
        server.log.wait_for("session ended", 2)
        assert 101 == waiting.upgrade().response.status


def test_a_byte_buys_no_second_deadline() -> None:
    """Over a real socket: HTTP counts from when the connection was made."""
    with inside(max_sessions=1) as server, connected(server.address):

        def there(kind: type) -> list[Any]:
            return [one for one in server.call(server.server.http_connections) if isinstance(one, kind)]

        waiting = RawSocket(server.address)
        await_true(lambda: bool(there(Turnstile)))
        (first,) = there(Turnstile)
        waiting.send_bytes(b"G")
        await_true(lambda: not there(Turnstile))
        assert [first._since] == [http._headers_since for http in there(BoundedHttpProtocol)]
        waiting.socket.close()
