"""A connection before a turnstile that is shut: refused at once, or handed on."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop
from tests.support.clock import run_virtual
from tests.support.inside import Record, inside
from tests.support.pipe import RecordingTransport
from tests.support.raw import RawSocket, connected, request
from tests.support.server import await_true
from tests.transport.test_fast_connection import Hall
from uvicorn import Config
from uvicorn.server import ServerState

from earful.transport.lobby import Guest, Lobby
from earful.transport.passage import Passage, behind_turnstile
from earful.transport.turnstile import Turnstile
from earful.transport.upgrade import PATH
from earful.transport.uvicorn_http import BoundedHttpProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.wire import Door

PLAIN = request()
ONCE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
TWICE = ONCE * 2


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
        config = Config(lambda: None, log_config=None)
        turnstile = Turnstile(cast("Door", self.hall), config, self.state, "fast")
        http = partial(Http, config=config, server_state=self.state, app_state={})
        self.make: Callable[..., Any] = behind_turnstile(turnstile, self.state, http, timeout_s=10)
        self.lobby = Lobby("public", 10, self.hall.log)
        self.guest = Guest(self.lobby, cast("socket.socket", self.pipe))
        self.guest.wait()
        self.first: Any = self.make(b"", self.guest)
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
        assert 1 == len(here.lobby)
        here.first.connection_lost(None)
        assert (0, 0) == (here.count, len(here.lobby))

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
        assert {"config", "server_state", "app_state", "since", "guest"} == here.pipe.protocol.given.keys()
        assert here.first._since == here.pipe.protocol.given["since"]
        assert (here.guest, 1) == (here.pipe.protocol.given["guest"], len(here.lobby))
        assert (0, []) == (here.count, here.pipe.calls)

    met(scenario)


def test_a_place_that_is_free_by_the_time_of_the_request_can_be_had() -> None:
    """The door is asked again."""

    def scenario(here: Here) -> None:
        here.hall.is_full = False
        here.first.data_received(PLAIN)
        assert PLAIN == here.pipe.protocol.heard

    met(scenario)


def test_who_was_looked_at_already_goes_on_at_once() -> None:
    """With what it has sent, whoever else is refused."""

    def scenario(here: Here) -> None:
        there = here.make(PLAIN, here.guest)
        there.connection_made(here.pipe)
        assert (PLAIN, here.pipe) == (here.pipe.protocol.heard, here.pipe.protocol.transport)

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
            assert 1 == kinds.count(Passage)
        server.log.wait_for("session ended", 2)
        assert 101 == waiting.upgrade().response.status


def test_what_early_requests_hold_up_is_not_read() -> None:
    """Also where the loop begins to read after a connection was made, whatever its protocol wished meanwhile."""

    async def main() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def app(_: Any, __: Any, send: Any) -> None:
            asked.set()
            await answer.wait()
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        config, state = Config(app, log_config=None), ServerState()
        config.load()
        turnstile = Turnstile(cast("Door", Hall()), config, state, "fast")
        http = partial(BoundedHttpProtocol, config=config, server_state=state, app_state={})
        make: Callable[..., Any] = behind_turnstile(turnstile, state, http, timeout_s=10)
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            early = make(TWICE, Guest(Lobby("public", 10, Record()), ours))
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: early, ours)
            await asyncio.wait_for(asked.wait(), 10)
            theirs.sendall(ONCE)
            async with asyncio.timeout(30):
                while transport.is_reading():  # noqa: ASYNC110 - nobody tells of the loop's turns
                    await asyncio.sleep(0)
            answer.set()
            theirs.setblocking(False)
            said = b""
            async with asyncio.timeout(30):
                while said.count(b"HTTP/1.1 204") < 3:
                    said += await asyncio.get_running_loop().sock_recv(theirs, 4096)
            transport.abort()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_byte_buys_no_second_deadline() -> None:
    """Over a real socket: HTTP counts from when the connection was made."""
    with inside(max_sessions=1) as server, connected(server.address):

        def there(kind: type) -> list[Any]:
            return [one for one in server.call(server.server.http_connections) if isinstance(one, kind)]

        waiting = RawSocket(server.address)
        await_true(lambda: bool(there(Passage)))
        (first,) = there(Passage)
        waiting.send_bytes(b"G")
        await_true(lambda: not there(Passage))
        assert [first._since] == [http._headers_since for http in there(BoundedHttpProtocol)]
        waiting.socket.close()
