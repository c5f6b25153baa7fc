"""Frames as RFC 6455 has them, and those that break it: each broken one has its close code and nothing else."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, RawSocket, connected, frame, request
from tests.support.speech import SENTENCE, expected, finals, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

RSV1 = 0x40
MAX_MESSAGE_BYTES = 4096


@pytest.fixture
def server(transport: str) -> Iterator[Inside]:
    """A server that takes only small messages."""
    with inside(transport=transport, max_message_bytes=MAX_MESSAGE_BYTES, mock_latency_ms=1, max_speed=0) as here:
        yield here


def closes(ended: dict[str, Any]) -> tuple[int, int | None]:
    """What a session's end says of the close: this side's code, and the peer's."""
    return ended["close_code"], ended["peer_code"]


def begin(raw: RawSocket) -> None:
    """Opt in."""
    raw.say("start")
    raw.hear()


@pytest.mark.parametrize(
    ("close_code", "data"),
    [
        (1002, frame(TEXT, b"{}", first=FIN | RSV1)),
        (1002, frame(PING, b"", first=FIN | RSV1)),
        (1002, frame(TEXT, b"{}", masked=False)),
        (1002, frame(3, b"")),
        (1002, frame(CONTINUATION, b"x")),
        (1002, frame(PING, b"", first=0)),
        (1002, frame(PING, bytes(126))),
        (1007, frame(TEXT, b'{"type":"\xff"}')),
        (1007, frame(TEXT, b"\xed\xa0\x80")),
        (1007, frame(TEXT, b"\xc3", first=0) + frame(CONTINUATION, b"(")),
        (1009, frame(TEXT, bytes(MAX_MESSAGE_BYTES + 1))),
        (1009, frame(BINARY, bytes(3000), first=0) + frame(CONTINUATION, bytes(3000))),
        (1009, frame(BINARY, bytes(10_000_000))),
    ],
)
def test_a_broken_frame_ends_the_connection_with_its_code(close_code: int, data: bytes, server: Inside) -> None:
    """No message comes before it; nothing is left, nothing is logged but the session's end."""
    tasks = server.tasks
    with connected(server.address) as raw:
        begin(raw)
        raw.send_bytes(data)
        heard, end = raw.hear_all()
    server.await_empty(tasks)
    assert ([], close_code) == (heard, end.code)
    assert [(close_code, None)] == [closes(line) for line in server.log.all_of("session ended")]


def test_a_broken_frame_behind_which_audio_goes_on_is_still_explained(server: Inside) -> None:
    """The close frame is not lost to a reset, although the client is still sending."""
    with connected(server.address) as raw:
        begin(raw)
        raw.send_bytes(frame(TEXT, b"{}", first=FIN | RSV1) + b"".join(frame(BINARY, bytes(3200)) for _ in range(100)))
        assert 1002 == raw.hear_all()[1].code


def test_a_message_in_fragments_is_one_message(server: Inside) -> None:
    """Cut anywhere, inside a character too, with a ping between."""
    text = json.dumps({"type": "flush", "id": "grüße"}, ensure_ascii=False).encode()
    cut = text.index("ü".encode()) + 1
    with connected(server.address) as raw:
        begin(raw)
        raw.send(TEXT, text[:5], first=0)
        raw.send(PING, b"between")
        raw.send(CONTINUATION, text[5:cut], first=0)
        raw.send(CONTINUATION, text[cut:])
        assert (PONG, b"between") == raw.read_frame()
        assert "grüße" == raw.hear()["id"]


def test_bytes_that_arrive_singly_are_frames_all_the_same(server: Inside) -> None:
    """TCP owes nobody whole frames."""
    with connected(server.address) as raw:
        begin(raw)
        for byte in frame(TEXT, b'{"type":"flush","id":"x"}'):
            raw.send_bytes(bytes([byte]))
        assert "x" == raw.hear()["id"]


def test_many_frames_in_one_segment_are_all_heard(server: Inside) -> None:
    """In order."""
    with connected(server.address) as raw:
        begin(raw)
        raw.send_bytes(b"".join(frame(BINARY, piece) for piece in pieces(SENTENCE)) + frame(TEXT, b'{"type":"stop"}'))
        heard, end = raw.hear_all()
    assert (expected(SENTENCE), 1000) == (finals(heard), end.code)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9going", b"\x03\xf3", b"\x0f\xa0app"])
def test_a_close_frame_is_answered_and_ends_the_session(payload: bytes, server: Inside) -> None:
    """With the same code; the log calls it the peer's, and has it."""
    with connected(server.address) as raw:
        raw.send(CLOSE, payload)
        _, end = raw.hear_all()
        ended = server.log.wait_for("session ended")
    code = int.from_bytes(payload[:2], "big") or 1005
    assert (code, "peer_closed", code, code) == (end.code, ended["reason"], *closes(ended))


def test_a_connection_that_breaks_has_no_close(server: Inside) -> None:
    """Nothing was sent, and nothing came."""
    with connected(server.address) as raw:
        begin(raw)
    ended = server.log.wait_for("session ended")
    assert ("connection_lost", 1006, None) == (ended["reason"], *closes(ended))


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xee", b"\x00\x01", b"\x03\xe8\xff"])
def test_a_close_frame_that_cannot_be_is_a_broken_one(payload: bytes, server: Inside) -> None:
    """Half a code, a reserved one, one out of range, a reason that is no UTF-8."""
    with connected(server.address) as raw:
        raw.send(CLOSE, payload)
        assert raw.hear_all()[1].code in {1002, 1007}


def test_a_silent_peer_is_pinged_and_stays_while_it_answers(transport: str) -> None:
    """A pong, with whatever in it, is a sign of life."""
    settings: dict[str, Any] = {"ping_interval_s": 0.1, "ping_timeout_s": 0.6}
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        for _ in range(3):
            assert (PING, b"") == raw.read_frame()
            raw.send(PONG, b"")
        raw.say("stop")
        assert 1000 == raw.hear_all()[1].code


def test_a_peer_that_answers_no_ping_is_gone(transport: str) -> None:
    """No close frame reaches it; the log says why."""
    with inside(transport=transport, ping_interval_s=0.1, ping_timeout_s=0.3) as server:
        tasks = server.tasks
        with connected(server.address) as raw:
            assert PING == raw.read_frame()[0]
            ended = server.log.wait_for("session ended")
            server.await_empty(tasks)
            assert 1006 == raw.hear_all()[1].code
    assert ("ping_timeout", 1006, None) == (ended["reason"], *closes(ended))


def test_compression_is_not_agreed_on(server: Inside) -> None:
    """PCM does not shrink, and the memory would be there per socket."""
    with connected(server.address, Sec_WebSocket_Extensions="permessage-deflate") as raw:
        assert "sec-websocket-extensions" not in raw.response.headers


@pytest.mark.parametrize(
    "spoil",
    [
        lambda head: head.replace(b"Version: 13", b"Version: 8"),
        lambda head: head.replace(b"Sec-WebSocket-Key", b"X-Key"),
        lambda head: head.replace(b"/stream", b"/steam"),
    ],
    ids=["version", "key", "path"],
)
def test_an_upgrade_that_cannot_be_is_refused_as_http(spoil: Callable[[bytes], bytes], server: Inside) -> None:
    """4xx, and no session of it."""
    raw = RawSocket(server.address)
    raw.send_bytes(spoil(request()))
    status = raw.socket.recv(4096).split(b" ", 2)[1]
    raw.close()
    assert status.startswith(b"4")
    assert [] == server.log.all_of("session started")


def test_random_bytes_after_the_upgrade_harm_nobody(server: Inside) -> None:
    """Whatever they are, the connection ends or waits, and the next one works."""
    tasks = server.tasks
    for _ in range(20):
        raw = RawSocket(server.address).upgrade()
        raw.send_bytes(os.urandom(200))
        raw.close()
    server.await_empty(tasks)
    with connected(server.address) as after:
        after.say("stop")
        assert 1000 == after.hear_all()[1].code
