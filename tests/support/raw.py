"""A WebSocket client that makes its own frames on a blocking socket, so that it can misbehave in every way.

Every wait has a deadline (the socket's timeout). Well-behaved in its defaults: masked frames, answers
to nothing. `say` and `hear` are for JSON messages, the rest is for bytes.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Address

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
PATIENCE_S = 10.0
ABNORMAL = 1006
_MASK = b"\x11\x22\x33\x44"
_KEY = base64.b64encode(bytes(16)).decode()


class Gone(Exception):  # noqa: N818 - no error: the server may hang up
    """The connection ended; `code` is that of its close frame, 1006 where there was none."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code} {reason}")


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to an upgrade; header names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def frame(opcode: int, payload: bytes, *, first: int = FIN, masked: bool = True) -> bytes:
    """One frame; `first` holds FIN and the reserved bits."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first | opcode, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first | opcode, bit | 127, size)
    return head + _MASK + _masked(payload) if masked else head + payload


def request(path: str = "/v1/transcribe/stream", **headers: str) -> bytes:
    """An upgrade's bytes; a keyword is one more header, `_` for `-`."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: server",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {_KEY}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class RawSocket:
    """One connection; `response` is the answer to its upgrade."""

    def __init__(self, address: Address, *, receive_buffer_bytes: int = 0) -> None:
        self.socket = address.connect(PATIENCE_S, receive_buffer_bytes)
        self.response = Response(0)
        self._unread = b""

    def upgrade(self, path: str = "/v1/transcribe/stream", **headers: str) -> Self:
        """Shake hands; `response` has the answer, also one that refuses."""
        self.send_bytes(request(path, **headers))
        while b"\r\n\r\n" not in self._unread:
            self._read_more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        fields = {name.lower(): text.strip() for name, _, text in pairs}
        body = b"" if status.split()[1] == "101" else self._take(int(fields.get("content-length", "0")))
        self.response = Response(int(status.split()[1]), fields, body)
        return self

    def say(self, kind: str, **fields: object) -> None:
        """Send one JSON message."""
        self.send(TEXT, json.dumps({"type": kind, **fields}).encode())

    def say_audio(self, pcm: bytes, sequence: int | None = None) -> None:
        """Send an `audio_chunk`."""
        numbered = {} if sequence is None else {"sequence": sequence}
        self.say("audio_chunk", data=base64.b64encode(pcm).decode(), **numbered)

    def send(self, opcode: int, payload: bytes, *, first: int = FIN) -> None:
        """Send one frame."""
        self.send_bytes(frame(opcode, payload, first=first))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self.socket.sendall(data)

    def hear(self) -> dict[str, Any]:
        """The next message; raises Gone where the connection ends first. Pings are passed over."""
        opcode, payload = self.read_frame()
        while opcode in {PING, PONG}:
            opcode, payload = self.read_frame()
        assert TEXT == opcode
        message: dict[str, Any] = json.loads(payload)
        return message

    def hear_all(self) -> tuple[list[dict[str, Any]], Gone]:
        """Every message until the connection ends, and how it did."""
        heard = []
        while True:
            try:
                heard.append(self.hear())
            except Gone as end:
                return heard, end

    def hear_until(self, kind: str) -> list[dict[str, Any]]:
        """Messages up to the first of this kind."""
        heard = [self.hear()]
        while heard[-1]["type"] != kind:
            heard.append(self.hear())
        return heard

    def read_frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; raises Gone for a close frame and for the end of the stream."""
        first, second = self._take(2)
        size = second & 0x7F
        assert second == size, "a server does not mask"
        if size == 126:
            size = struct.unpack("!H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._take(8))[0]
        payload = self._take(size)
        if first & 0x0F == CLOSE:
            raise Gone(struct.unpack("!H", payload[:2])[0] if payload else 1005, payload[2:].decode())
        return first & 0x0F, payload

    def shut_down_writing(self) -> None:
        """Say FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Leave with FIN (RST where something was not read)."""
        self.socket.close()

    def __del__(self) -> None:
        # Where a test fails: its sockets must not be the next test's warning.
        self.socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._read_more()
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _read_more(self) -> None:
        try:
            more = self.socket.recv(1 << 16)
        except ConnectionResetError:
            more = b""
        if not more:
            raise Gone(ABNORMAL)
        self._unread += more


@contextmanager
def connected(address: Address, path: str = "/v1/transcribe/stream", **headers: str) -> Iterator[RawSocket]:
    """An upgraded connection, closed when the scope ends."""
    raw = RawSocket(address)
    try:
        raw.upgrade(path, **headers)
        assert 101 == raw.response.status, raw.response
        yield raw
    finally:
        raw.close()


def _masked(payload: bytes) -> bytes:
    size = len(payload)
    mask = (_MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
