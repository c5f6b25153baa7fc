"""How a WebSocket is reached: paths, headers of browsers and proxies, refusals, TLS, event loops, large messages."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import tests.support.inside
import uvloop
from tests.support.echo import echoing
from tests.support.inside import Inside, Threaded, inside
from tests.support.raw import BINARY, CLOSE, PATIENCE_S, TEXT, RawSocket, connected, frame, request
from tests.support.server import Answer, await_true
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.session.session import Session
from earful.transport.fast import PATH, FastConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.echo import NewLoop

    from earful.app import Service

    Configured = Callable[..., AbstractContextManager[Inside]]

pytestmark = pytest.mark.e2e

LOOPS = pytest.mark.parametrize(
    "new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"]
)
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


@pytest.fixture
def configured(transport: str, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """A server whose uvicorn has options that `earful serve` has no setting for."""

    def start(*, loop_factory: NewLoop = uvloop.new_event_loop, **options: Any) -> AbstractContextManager[Inside]:
        class Optioned(Threaded):
            """Which are set before uvicorn reads them."""

            def __init__(self, service: Service) -> None:
                super().__init__(service)
                for name, value in options.items():
                    setattr(self.config, name, value)

        monkeypatch.setattr(tests.support.inside, "Threaded", Optioned)
        return inside(transport=transport, loop_factory=loop_factory, **QUICK)

    return start


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


def test_headers_that_only_a_library_minds_are_not_answered_in_its_words(transport: str, server: Inside) -> None:
    """Two origins, a version with a comma behind it, a body: `fast` does not look at them."""
    odd = {"Origin: a\r\nOrigin: b", "Sec-WebSocket-Extensions: x", "Content-Length: 1"}
    for line in odd:
        head = request(X_Request_Id="mine")[:-2] + line.encode() + b"\r\n\r\n"
        raw = RawSocket(server.address)
        raw.send_bytes(head)
        said = raw.socket.recv(65_536)
        raw.close()
        assert b"HTTP/1.1 101 " == said[:13] or (transport == "asgi" and b'{"error": {"code": "bad_request"' in said)


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
        (frame(BINARY, b"")[:1] + b"\xff" + (1 << 40).to_bytes(8, "big"), 1009, "message_too_big"),
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
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    what = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    whom = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    openssl = ["openssl", "req", *what, *whom, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(openssl, check=True, capture_output=True, timeout=PATIENCE_S)
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
