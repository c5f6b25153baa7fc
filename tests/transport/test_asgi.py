"""The portable route under a server that lends it nothing: an ASGI server of a few lines, with bounded channels.

What it does on real sockets is in tests/conformance; here stands what a foreign server is owed.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import in_house
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.transport.asgi import FAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.house import House

PATH = "/v1/transcribe/stream"
WITHIN_S = 30.0
START = {"type": "websocket.receive", "text": '{"type":"start"}'}
STOP = {"type": "websocket.receive", "text": '{"type":"stop"}'}


class Peer:
    """A client and the foreign server between it and the app."""

    def __init__(self, house: House, query: bytes = b"", path: str = PATH, *, can_deny: bool = True) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
        self.registry, self.log = house.service.registry, house.log
        self.is_gone = False
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query,
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": ["earful.v1"],
            "extensions": {"websocket.http.response": {}} if can_deny else {},
        }
        self.route = asyncio.ensure_future(house.service.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        return await self.inbox.get()

    async def _send(self, message: Any) -> None:
        if self.is_gone:
            raise OSError("the client has gone")
        await self.outbox.put(message)

    async def say(self, *messages: dict[str, Any]) -> None:
        """Bring the app these events."""
        for message in messages:
            await asyncio.wait_for(self.inbox.put(message), WITHIN_S)

    async def hear(self) -> dict[str, Any]:
        """The app's next event."""
        return await asyncio.wait_for(self.outbox.get(), WITHIN_S)

    async def hear_all(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The messages up to the close, and the close."""
        heard = []
        while (event := await self.hear())["type"] == "websocket.send":
            heard.append(json.loads(event["text"]))
        return heard, event

    async def end(self) -> None:
        """The route returns, in time and without an error, and leaves nothing."""
        await asyncio.wait_for(self.route, WITHIN_S)
        assert ({}, 0) == (self.registry.connections, self.registry.taken)


def with_peer(scenario: Callable[[Peer], Awaitable[None]], query: bytes = b"", **settings: Any) -> None:
    """Connect one and run the scenario."""

    async def run(house: House) -> None:
        peer = Peer(house, query)
        await peer.say({"type": "websocket.connect"})
        await scenario(peer)
        await peer.end()

    in_house(run, **settings)


async def accepted(peer: Peer) -> None:
    """The upgrade's answer, with what it promises."""
    answer = await peer.hear()
    assert ("websocket.accept", "earful.v1") == (answer["type"], answer["subprotocol"])
    assert [b"x-session-id", b"x-request-id"] == [name for name, _ in answer["headers"]]


def test_a_session_needs_nothing_but_asgi() -> None:
    """From the upgrade to the close."""

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        listening = asyncio.ensure_future(peer.hear_all())
        await peer.say(START, *({"type": "websocket.receive", "bytes": piece} for piece in pieces(SENTENCE)), STOP)
        heard, close = await listening
        assert expected(SENTENCE) == finals(heard)
        assert ("websocket.close", 1000) == (close["type"], close["code"])
        await peer.say({"type": "websocket.disconnect", "code": 1000})

    with_peer(scenario, max_speed=0)


@pytest.mark.parametrize(("code", "reason"), [(1000, "peer_closed"), (1005, "peer_closed"), (1006, "connection_lost")])
def test_a_disconnect_ends_the_session(code: int, reason: str) -> None:
    """By its own name."""

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        await peer.say({"type": "websocket.disconnect", "code": code})
        await peer.end()
        assert {reason: 1} == peer.registry.metrics.sessions_ended
        (ended,) = peer.log.all_of("session ended")
        assert (code, None if code == 1006 else code) == (ended["close_code"], ended["peer_code"])

    with_peer(scenario)


def test_a_server_may_say_that_it_closed_for_broken_frames() -> None:
    """Beside the code, which a client may send too."""

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        await peer.say({"type": "websocket.disconnect", "code": 1002, FAULT: "protocol_error"})
        await peer.end()
        assert {"protocol_error": 1} == peer.registry.metrics.sessions_ended

    with_peer(scenario)


def test_a_client_that_is_gone_when_something_is_sent_is_no_error() -> None:
    """The writer ends in silence."""

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        peer.is_gone = True
        await peer.say(START, {"type": "websocket.disconnect", "code": 1006})

    with_peer(scenario)


def test_a_peer_that_answers_no_close_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The route returns by itself; the server then drops the connection."""
    monkeypatch.setattr("earful.transport.asgi.LINGER_S", 0.05)
    monkeypatch.setattr("earful.transport.asgi.UNSENT_LINGER_S", 0.05)

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        await peer.say(STOP)
        assert "final" == json.loads((await peer.hear())["text"])["type"]
        assert "websocket.close" == (await peer.hear())["type"]

    with_peer(scenario)


def test_a_peer_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is its close."""
    monkeypatch.setattr("earful.transport.asgi.LINGER_S", 0.05)
    monkeypatch.setattr("earful.transport.asgi.UNSENT_LINGER_S", 0.05)

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        await peer.say(START, STOP)

    with_peer(scenario)


def test_a_peer_that_answers_no_ping_ends_without_a_socket_to_abort() -> None:
    """ASGI has no pings: who says nothing for both times is given up."""

    async def scenario(peer: Peer) -> None:
        await accepted(peer)
        await peer.hear()
        await peer.say({"type": "websocket.disconnect", "code": 1006})
        await peer.end()
        assert {"ping_timeout": 1} == peer.registry.metrics.sessions_ended

    with_peer(scenario, ping_interval_s=0.1, ping_timeout_s=0.1)


def test_a_refusal_is_an_answer_before_the_upgrade() -> None:
    """As the server's extension has it."""

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house)
        await peer.say({"type": "websocket.connect"})
        head, body = await peer.hear(), await peer.hear()
        assert 503 == head["status"]
        assert b"retry-after" in dict(head["headers"])
        assert "draining" == json.loads(body["body"])["error"]["code"]
        await peer.end()

    in_house(run)


@pytest.mark.parametrize("path", ["/", "/v1/elsewhere", "/static-offline-docs/x"])
def test_another_path_is_answered_before_the_upgrade(path: str) -> None:
    """404, and nothing to wait for."""

    async def run(house: House) -> None:
        peer = Peer(house, b"refuse=close", path)
        await peer.say({"type": "websocket.connect"})
        head, body = await peer.hear(), await peer.hear()
        told = json.loads(body["body"])["error"]
        assert (404, "not_found") == (head["status"], told["code"])
        headers = dict(head["headers"])
        assert told["request_id"].encode() == headers[b"x-request-id"]
        assert b"retry-after" not in headers
        await peer.end()

    in_house(run)


@pytest.mark.parametrize("path", ["/v1/elsewhere", PATH])
def test_a_server_that_can_only_close_does_so(path: str) -> None:
    """It answers 403 then."""

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house, path=path, can_deny=False)
        await peer.say({"type": "websocket.connect"})
        assert "websocket.close" == (await peer.hear())["type"]
        await peer.end()

    in_house(run)


def test_a_refusal_behind_the_upgrade_takes_the_subprotocol() -> None:
    """As an admission does: browsers insist on it."""

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house, b"refuse=close")
        await peer.say({"type": "websocket.connect"})
        assert "earful.v1" == (await peer.hear())["subprotocol"]
        heard, close = await peer.hear_all()
        assert (["draining"], 1013) == ([message["code"] for message in heard], close["code"])
        await peer.end()

    in_house(run)


@pytest.mark.parametrize("can_deny", [False, True])
def test_a_denial_that_is_not_heard_is_no_error(*, can_deny: bool) -> None:
    """The client has gone before the server could answer it."""

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house, can_deny=can_deny)
        peer.is_gone = True
        await peer.say({"type": "websocket.connect"})
        await peer.end()

    in_house(run)


def test_a_client_that_has_gone_before_it_is_refused_is_no_error() -> None:
    """Before the upgrade, that is."""

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house, b"refuse=close")
        peer.is_gone = True
        await peer.say({"type": "websocket.connect"})
        await peer.end()

    in_house(run)


@pytest.mark.parametrize("heard", [0, 1, 2, 3])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_refusal_that_is_not_heard_is_no_error(heard: int, *, is_gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes, or takes nothing more, after any of its parts; nobody waits for it."""
    monkeypatch.setattr("earful.transport.asgi.LINGER_S", 0.05)

    async def run(house: House) -> None:
        house.service.registry.draining = True
        peer = Peer(house, b"refuse=close")
        await peer.say({"type": "websocket.connect"})
        for kind in ["accept", "send", "close"][:heard]:
            assert f"websocket.{kind}" == (await peer.hear())["type"]
        peer.is_gone = is_gone
        await peer.end()

    in_house(run)
