"""The first look at a connection while nobody new is let in: what is refused there, and what goes on."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.access.keys import ACME, GLOBEX, key_file
from tests.support.inside import inside
from tests.support.raw import RawSocket, request
from uvicorn import Config
from uvicorn.server import ServerState

from earful.transport.turnstile import Turnstile, newcomer
from earful.transport.upgrade import PATH
from earful.transport.uvicorn_http import MAX_HEADER_BYTES

if TYPE_CHECKING:
    from pathlib import Path


PLAIN = request()


@pytest.mark.parametrize(
    "head", [PLAIN, request(X_Request_Id="mine"), PLAIN.replace(b"Upgrade\r", b"x ,\tupgrade, y\r")]
)
def test_a_new_sessions_upgrade_is_seen(head: bytes) -> None:
    """With whatever headers."""
    for data, resumes in ((head, False), (head.replace(b" HTTP", b"?resume=1 HTTP"), True)):
        found = newcomer(data)
        assert found is not None
        assert ((b"sec-websocket-version", b"13") in found[0], found[1]) == (True, resumes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN + PLAIN,
        PLAIN.replace(b"GET", b"PUT"),
        PLAIN.replace(b" HTTP", b"?resume=2 HTTP"),
        PLAIN.replace(b" HTTP", b"?resume=1&refuse=close HTTP"),
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


def test_who_is_to_resume_ends_there_when_the_reserve_is_taken_too() -> None:
    """Before that it goes on, where one that is new does not."""
    with inside(max_sessions=1, resume_reserve=100) as server:
        turnstile = Turnstile(
            server.service.registry, Config(server.service.app, log_config=None), ServerState(), "fast"
        )

        def is_refused(query: str) -> bool:
            data = PLAIN.replace(b" HTTP", query.encode() + b" HTTP")
            return (turnstile.refusal_of(data, ("127.0.0.1", 50_000)) or b"").startswith(b"HTTP/1.1 503 ")

        with closing(RawSocket(server.address)) as first:
            assert 101 == first.upgrade().response.status
            assert [True, False] == [is_refused(query) for query in ("", "?resume=1")]
            with closing(RawSocket(server.address)) as second:
                assert 101 == second.upgrade(f"{PATH}?resume=1").response.status
                assert [True, True] == [is_refused(query) for query in ("", "?resume=1")]


def test_a_tenant_that_has_all_it_may_have_ends_there_too(tmp_path: Path) -> None:
    """From its second refusal on, each counted once; another's session comes in, and its own when there is room."""
    keys: dict[str, Any] = {
        "auth": "static",
        "auth_options": {"file": str(key_file(tmp_path, acme="max_sessions=1"))},
    }
    with inside(**keys) as server:
        first = RawSocket(server.address)
        assert 101 == first.upgrade(X_Api_Key=ACME).response.status
        answers = [RawSocket(server.address).upgrade(X_Api_Key=ACME).response for _ in range(3)]
        assert [429] * 3 == [answer.status for answer in answers]
        assert answers[0].headers.keys() == answers[1].headers.keys()
        assert 101 == RawSocket(server.address).upgrade(X_Api_Key=GLOBEX).response.status
        assert {"tenant_limit": 3} == server.service.registry.metrics.refusals
        assert 3 == len(server.log.all_of("session refused"))
        registry = server.service.registry
        turnstile = Turnstile(registry, Config(server.service.app, log_config=None), ServerState(), "fast")

        def answer(key: str) -> bytes:
            return turnstile.refusal_of(request(X_Api_Key=key), ("127.0.0.1", 50_000)) or b""

        assert server.call(lambda: turnstile.is_shut)
        assert [b"HTTP/1.1 429", b""] == [server.call(partial(answer, key))[:12] for key in (ACME, GLOBEX)]


def test_wrong_keys_end_there_and_right_ones_go_on(tmp_path: Path) -> None:
    """Over real sockets: the first shows that there are some; each is told the same, and counted once."""
    keys: dict[str, Any] = {
        "auth": "static",
        "auth_options": {"file": str(key_file(tmp_path))},
        "max_handshakes_per_s": 5.0,
    }
    with inside(**keys) as server:
        waiting = [RawSocket(server.address) for _ in range(2)]
        answers = [RawSocket(server.address).upgrade(X_Api_Key="wrong").response for _ in range(2)]
        assert [401, 401] == [answer.status for answer in answers]
        assert answers[0].headers.keys() == answers[1].headers.keys()
        assert 101 == RawSocket(server.address).upgrade(X_Api_Key=ACME).response.status
        assert [101, 101] == [raw.upgrade(X_Api_Key=ACME).response.status for raw in waiting]
        assert 429 == RawSocket(server.address).upgrade(X_Api_Key=ACME).response.status
        assert {"unauthorized": 2, "rate_limited": 1} == server.service.registry.metrics.refusals
        told = server.log.all_of("session refused")
        assert ["unauthorized", "unauthorized", "rate_limited"] == [line["code"] for line in told]
