"""The middleware that gives each request its id."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from earful.transport.request_id import RequestId

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in two pieces, with an id of its own."""
    del receive
    scope["seen"] = scope.get("state", {}).get("request_id")
    scope["send"] = send
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"own"), (b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b"y"})


async def nothing() -> Message:
    """Never asked."""
    raise AssertionError


def pass_through(scope: dict[str, Any]) -> list[Message]:
    """What comes out."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope["outer"] = send
    asyncio.run(RequestId(app)(scope, nothing, send))
    return sent


@pytest.mark.parametrize("state", [{}, {"state": {"other": 1}}])
def test_the_id_is_in_the_answer_and_in_the_state(state: dict[str, Any]) -> None:
    """Once; other headers, the bodies and what else is in the state stay."""
    scope = {"type": "http", "headers": [(b"x-request-id", b"mine")], "client": ("192.0.2.7", 1), **state}
    start, *bodies = pass_through(scope)
    assert [(b"x-request-id", b"mine"), (b"a", b"b")] == start["headers"]
    assert [b"x", b"y"] == [body["body"] for body in bodies]
    assert "mine" == scope["seen"]
    origin = scope["state"].pop("origin")
    assert ("mine", "192.0.2.7") == (origin.request_id, origin.peer)
    assert {**state.get("state", {}), "request_id": "mine"} == scope["state"]


def test_each_request_without_an_id_gets_another() -> None:
    """Made here."""
    scopes: list[dict[str, Any]] = [{"type": "http", "headers": []} for _ in range(2)]
    ids = {dict(pass_through(scope)[0]["headers"])[b"x-request-id"].decode() for scope in scopes}
    assert {scope["seen"] for scope in scopes} == ids
    assert 2 == len(ids)


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_all_else_is_left_alone(kind: str) -> None:
    """Not even wrapped."""
    scope: dict[str, Any] = {"type": kind, "headers": [(b"x-request-id", b"mine")]}
    assert b"own" == dict(pass_through(scope)[0]["headers"])[b"x-request-id"]
    assert scope["outer"] is scope["send"]
    assert "state" not in scope
