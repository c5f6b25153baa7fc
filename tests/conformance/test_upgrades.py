"""What is an upgrade and what is not: paths, versions, keys, headers, and how the others are refused."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, CLOSE, TEXT, RawSocket, connected, frame, request
from tests.support.server import Answer, await_true

from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0}
FIREFOX = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Accept": "*/*",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Origin": "http://localhost:8000",
    "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "websocket",
    "Sec-Fetch-Site": "same-origin",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
}


@pytest.fixture
def server(transport: str) -> Iterator[Inside]:
    """A server as it is."""
    with inside(transport=transport, **QUICK) as here:
        yield here


def asked(server: Inside, path: str = PATH, **headers: str) -> Answer:
    """The answer to an upgrade with these headers beside, or instead of, the usual ones."""
    usual = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    return server.address.request("GET", path, headers=usual | {k.replace("_", "-"): v for k, v in headers.items()})


def test_firefox_is_let_in(server: Inside) -> None:
    """`Connection: keep-alive, Upgrade`, and all it says of itself."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in FIREFOX.items()).encode()
    head = request().replace(b"Connection: Upgrade\r\n", b"Connection: keep-alive, Upgrade\r\n" + lines)
    raw = RawSocket(server.address)
    raw.send_bytes(head)
    assert b"HTTP/1.1 101 " == raw.socket.recv(13)
    raw.close()


def assert_explained(answer: Answer, code: str) -> None:
    """In the form of every error, under the request's own id, and in no library's words."""
    assert (code, "mine") == (answer.tree["error"]["code"], answer.tree["error"]["request_id"])
    assert ("mine", "application/json") == (answer.headers["x-request-id"], answer.headers["content-type"])
    assert "Failed to open" not in answer.tree["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/", "/v1/elsewhere", f"{PATH}/", "/healthz", "/static-offline-docs/x", "/x?refuse=close"]
)
def test_there_is_one_path(path: str, server: Inside) -> None:
    """All others are 404, those of requests too."""
    assert 101 == asked(server).status
    answer = asked(server, path, X_Request_Id="mine")
    assert (404, None) == (answer.status, answer.headers.get("retry-after"))
    assert_explained(answer, "not_found")


@pytest.mark.parametrize("version", ["7", "8", "14", ""])
def test_another_version_is_refused(version: str, server: Inside) -> None:
    """426 and the right one."""
    answer = asked(server, Sec_WebSocket_Version=version, X_Request_Id="mine")
    assert (426, "13") == (answer.status, answer.headers.get("sec-websocket-version"))
    assert_explained(answer, "bad_request")


@pytest.mark.parametrize("key", ["", "x", "AAAA", "!" * 24, "AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA=="])
def test_a_key_that_is_none_is_refused(key: str, server: Inside) -> None:
    """400."""
    answer = asked(server, Sec_WebSocket_Key=key, X_Request_Id="mine")
    assert 400 == answer.status
    assert_explained(answer, "bad_request")


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/v1/elsewhere", {}, "not_found"),
        (PATH, {"Sec_WebSocket_Version": "8"}, "bad_request"),
        (PATH, {"Sec_WebSocket_Key": "x"}, "bad_request"),
    ],
)
def test_who_is_refused_is_told(path: str, headers: dict[str, str], code: str, server: Inside, transport: str) -> None:
    """Whatever was wrong, with whose request it was."""
    asked(server, path, X_Request_Id=f"told-{transport}-{code}", **headers)
    told = [line for line in server.log.all_of("session refused") if line["request_id"] == f"told-{transport}-{code}"]
    assert (code, "127.0.0.1", transport) == tuple(told[-1][name] for name in ("code", "peer", "transport"))


def answered(server: Inside, head: bytes) -> Answer:
    """The whole answer to these bytes, after which the server ends the connection."""
    raw = RawSocket(server.address)
    raw.send_bytes(head)
    said = b""
    while piece := raw.socket.recv(65_536):
        said += piece
    raw.close()
    top, _, body = said.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


def test_only_a_get_is_an_upgrade(server: Inside) -> None:
    """405."""
    answer = answered(server, request(X_Request_Id="mine").replace(b"GET", b"POST", 1))
    assert (405, "GET") == (answer.status, answer.headers["allow"])
    assert_explained(answer, "bad_request")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (b"Host: server", b"Host: server\r\nOrigin: a\r\nOrigin: b"),
        (b"Host: server", b"Host: server\r\nContent-Length: 1"),
        (b"Version: 13", b"Version: 13,"),
    ],
    ids=["origins", "body", "version"],
)
def test_what_only_a_library_minds_is_not_refused_in_its_words(
    line: bytes, instead: bytes, transport: str, server: Inside
) -> None:
    """`fast` does not look at it; on ASGI it is 400."""
    head = request(X_Request_Id="mine").replace(line, instead)
    if transport == "fast":
        raw = RawSocket(server.address)
        raw.send_bytes(head)
        assert b"HTTP/1.1 101 " == raw.socket.recv(13)
        raw.close()
        return
    answer = answered(server, head)
    assert 400 == answer.status
    assert_explained(answer, "bad_request")


LONG: dict[str, dict[str, str]] = {
    "line": {"Cookie": "a" * 16_384},
    "lines": {f"X-{number}": "a" for number in range(150)},
}


def test_headers_may_be_long(server: Inside) -> None:
    """16 KiB in all; `fast` takes them in one line too."""
    assert 101 == asked(server, **{f"X-{number}": "a" * 4096 for number in range(4)}).status


@pytest.mark.parametrize("long", LONG)
def test_long_lines_and_many_are_taken_or_refused_but_always_answered(
    long: str, transport: str, server: Inside
) -> None:
    """A line over 8 KiB, 150 lines: for `fast` alone; on ASGI the server's library stops, and we say 431."""
    if transport == "fast":
        assert 101 == asked(server, **LONG[long]).status
        return
    answer = answered(server, request(X_Request_Id="mine", **LONG[long]))
    assert (431, "close") == (answer.status, answer.headers["connection"])
    assert_explained(answer, "bad_request")
    await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)


def test_headers_may_not_be_long_without_end(server: Inside) -> None:
    """More than 64 KiB are 431 on both."""
    assert 431 == answered(server, request(Cookie="a" * 66_000)).status
    assert [] == server.log.all_of("session started")


def test_a_refused_peer_that_stays_is_dropped(server: Inside) -> None:
    """It sends on, and does not end; what it sends is no second request."""
    raw = RawSocket(server.address)
    raw.send_bytes(request().replace(b"Version: 13", b"Version: 8"))
    with suppress(OSError):
        raw.send_bytes(request() * 2)
    await_true(lambda: server.call(lambda: len(server.server.server_state.connections)) == 0)
    assert [] == server.log.all_of("session started")
    raw.close()


@pytest.mark.parametrize(
    ("broken", "code", "reason"),
    [
        (frame(TEXT, b"{}", first=0xC0), 1002, "protocol_error"),
        (frame(TEXT, b"\xff"), 1007, "invalid_utf8"),
        (frame(BINARY, b"")[:1] + b"\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009, "message_too_big"),
    ],
    ids=["protocol", "utf8", "size"],
)
def test_what_we_close_with_is_told_from_what_a_peer_does(
    broken: bytes, code: int, reason: str, server: Inside
) -> None:
    """The same code, from either side; the log knows whose it was."""
    with connected(server.address) as raw:
        raw.send_bytes(broken)
        assert code == raw.hear_all()[1].code
        assert reason == server.log.wait_for("session ended")["reason"]
    with connected(server.address) as raw:
        raw.send(CLOSE, code.to_bytes(2, "big") + reason.encode())
        assert code == raw.hear_all()[1].code
        assert "peer_closed" == server.log.wait_for("session ended", 2)["reason"]


@pytest.mark.parametrize(
    ("offered", "chosen"), [("earful.v1", "earful.v1"), ("x, earful.v1", "earful.v1"), ("x", None)]
)
def test_a_refusal_behind_the_upgrade_speaks_our_subprotocol(offered: str, chosen: str | None, transport: str) -> None:
    """Browsers drop a connection whose offer nobody took."""
    with (
        inside(transport=transport, max_sessions=1) as server,
        connected(server.address),
        connected(server.address, f"{PATH}?refuse=close", Sec_WebSocket_Protocol=offered) as raw,
    ):
        assert chosen == raw.response.headers.get("sec-websocket-protocol")
        assert 1013 == raw.hear_all()[1].code


def test_who_is_refused_is_told_when_to_come_back(transport: str) -> None:
    """503, its reason and Retry-After, under the request's own id."""
    with inside(transport=transport, max_sessions=1) as server, connected(server.address):
        answer = asked(server, X_Request_Id="mine")
    assert (503, "mine", "session_limit") == (
        answer.status,
        answer.headers["x-request-id"],
        answer.tree["error"]["code"],
    )
    assert 1 <= int(answer.headers["retry-after"]) <= 5
