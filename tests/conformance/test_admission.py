"""A doorkeeper before the upgrade: it decides who comes in, and as whom; nobody waits for it too long or in vain."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, PING, PONG, TEXT, RawSocket, connected, frame, request
from tests.support.server import Answer, await_true
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission, Caller
from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0, "handshake_timeout_s": 1.0}
WORDS = "what only the doorkeeper knows"
DOORKEEPER_TROUBLE = ("doorkeeper failed", "doorkeeper took too long")


class Doorkeeper:
    """Does as the caller says of itself; `open`, on the server's loop, lets in those who wait."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.waiting = 0
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Wait no more."""
        self._opened.set()

    async def __call__(self, caller: Caller) -> Admission:
        """Decide."""
        self.callers.append(caller)
        (who,) = caller.query.get("who", ["none"])
        if who == "none":
            raise EarfulError(ErrorCode.FORBIDDEN)
        if who == "bug":
            raise KeyError(WORDS)
        if who == "wait":
            self.waiting += 1
            try:
                await self._opened.wait()
            finally:
                self.waiting -= 1
        return Admission(who)


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    """One that has seen nobody."""
    return Doorkeeper()


@pytest.fixture
def server(transport: str, doorkeeper: Doorkeeper) -> Iterator[Inside]:
    """A server with a doorkeeper, from whom nothing is left."""
    with inside(transport=transport, doorkeeper=doorkeeper, allowed=DOORKEEPER_TROUBLE, **QUICK) as here:
        tasks = here.tasks
        yield here
        here.await_empty(tasks)
        await_true(lambda: here.call(lambda: len(here.server.server_state.connections)) == 0)
        assert 0 == doorkeeper.waiting


def asked(server: Inside, who: str, begin: Callable[[], object] = lambda: None) -> Answer:
    """The whole answer to an upgrade of this caller, after which the server ends the connection."""
    raw = RawSocket(server.address)
    raw.send_bytes(request(f"{PATH}?who={who}", X_Request_Id="mine"))
    begin()
    said = b""
    while piece := raw.socket.recv(65_536):
        said += piece
    raw.close()
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return Answer(int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body)


def waiting(server: Inside, doorkeeper: Doorkeeper) -> RawSocket:
    """A client about whom is being decided."""
    raw = RawSocket(server.address)
    raw.send_bytes(request(f"{PATH}?who=wait"))
    await_true(lambda: doorkeeper.waiting == 1)
    return raw


def test_who_is_let_in_is_somebody(server: Inside, doorkeeper: Doorkeeper) -> None:
    """The doorkeeper sees path, query, headers and peer; the session is its tenant's."""
    with connected(server.address, f"{PATH}?who=acme&x=%C3%BC", X_Key="k") as raw:
        tenant = server.connection.session.opening.tenant
        raw.say("stop")
        assert 1000 == raw.hear_all()[1].code
    (caller,) = doorkeeper.callers
    assert ("acme", PATH, {"who": ["acme"], "x": ["ü"]}, "127.0.0.1") == (
        tenant,
        caller.path,
        caller.query,
        caller.peer,
    )
    assert (b"x-key", b"k") in list(caller.headers)


@pytest.mark.parametrize(
    ("who", "status", "code"), [("none", 403, "forbidden"), ("bug", 500, "internal"), ("wait", 503, "overloaded")]
)
def test_who_is_not_let_in_is_told_why(who: str, status: int, code: str, server: Inside) -> None:
    """Refused, failed over, or not decided about in time: an answer of HTTP, and no session."""
    answer = asked(server, who)
    error = answer.tree["error"]
    assert (status, code, "mine") == (answer.status, error["code"], error["request_id"])
    assert (status == 503) == ("retry-after" in answer.headers)
    assert WORDS not in json.dumps([error, *server.log.events], default=str)
    assert ["doorkeeper failed"] * (who == "bug") == [one["event"] for one in server.log.all_of("doorkeeper failed")]
    assert [] == server.log.all_of("session started")


@pytest.mark.parametrize(("who", "code", "close"), [("none", "forbidden", 4003), ("bug", "internal", 1011)])
def test_a_browser_is_told_behind_the_upgrade(who: str, code: str, close: int, server: Inside) -> None:
    """With the close code of the error."""
    with connected(server.address, f"{PATH}?who={who}&refuse=close") as raw:
        heard, end = raw.hear_all()
    assert ([code], close) == ([message["code"] for message in heard], end.code)
    assert "retry_after_ms" not in heard[0]


def test_what_is_no_upgrade_is_nothing_to_the_doorkeeper(server: Inside, doorkeeper: Doorkeeper) -> None:
    """Nor is another path."""
    for head in (request().replace(b"Version: 13", b"Version: 8"), request("/v1/elsewhere")):
        raw = RawSocket(server.address)
        raw.send_bytes(head)
        assert b"HTTP/1.1 4" == raw.socket.recv(10)
        raw.close()
    assert [] == doorkeeper.callers


def test_what_is_said_before_the_answer_is_heard_behind_it(server: Inside, doorkeeper: Doorkeeper) -> None:
    """Nothing of it is answered before the upgrade is, pings neither."""
    raw = waiting(server, doorkeeper)
    said = [frame(PING, b"early"), frame(TEXT, b'{"type":"start"}'), *(frame(BINARY, one) for one in pieces(SENTENCE))]
    raw.send_bytes(b"".join([*said, frame(TEXT, b'{"type":"stop"}')]))
    server.call(doorkeeper.open)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += raw.socket.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert (PONG, b"early") == raw.read_frame()
    heard, end = raw.hear_all()
    raw.close()
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


def test_a_flood_before_the_answer_is_not_read(server: Inside, doorkeeper: Doorkeeper) -> None:
    """It waits in the client's kernel, and the connection ends with the time there is for a handshake."""
    raw = waiting(server, doorkeeper)
    raw.socket.settimeout(0.2)
    flood = frame(BINARY, bytes(60_000)) * 1000
    with pytest.raises(TimeoutError):
        raw.socket.sendall(flood)
    raw.close()


@pytest.mark.parametrize("leave", [RawSocket.close, RawSocket.reset, RawSocket.shut_down_writing])
def test_nothing_is_left_of_who_goes_before_the_answer(
    leave: Callable[[RawSocket], None], server: Inside, doorkeeper: Doorkeeper
) -> None:
    """No place, no task, no session, whatever the doorkeeper says then."""
    raw = waiting(server, doorkeeper)
    leave(raw)
    await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)
    server.call(doorkeeper.open)
    await_true(lambda: server.call(lambda: doorkeeper.waiting) == 0)
    assert 0 == server.call(lambda: server.service.registry.taken)
    raw.close()


def test_those_who_wait_take_no_place(transport: str, doorkeeper: Doorkeeper) -> None:
    """Of which there is one; it goes to who is let in first."""
    with inside(transport=transport, doorkeeper=doorkeeper, max_sessions=1, **QUICK) as server:
        raw = waiting(server, doorkeeper)
        with connected(server.address, f"{PATH}?who=acme"):
            server.call(doorkeeper.open)
            assert b"HTTP/1.1 503 " == raw.socket.recv(13)
        raw.close()


def test_a_drain_waits_for_no_doorkeeper(server: Inside, doorkeeper: Doorkeeper) -> None:
    """Who is being decided about is told at once, and so is who comes later."""
    tasks: set[asyncio.Task[None]] = set()

    def drain() -> None:
        tasks.add(asyncio.get_running_loop().create_task(server.service.registry.drain(5.0)))

    def begin() -> None:
        await_true(lambda: doorkeeper.waiting == 1)
        server.call(drain)

    for who in ("wait", "acme"):
        answer = asked(server, who, begin if who == "wait" else lambda: None)
        assert (503, "draining") == (answer.status, answer.tree["error"]["code"])
        assert "retry-after" in answer.headers
    await_true(lambda: server.call(lambda: all(task.done() for task in tasks)))
