"""A lean WebSocket client for load: frames masked by a constant, one protocol object per connection.

It checks nothing and can therefore misbehave. Guarantees that `gone` is done exactly once, with the
close code the server sent (1006 where none came). Used by all scripts here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
LOST = 1006
CONNECT_WITHIN_S = 20.0
PATH = "/v1/transcribe/stream"
_KEY = b"\x5a\x5a\x5a\x5a"
_FLIP = bytes(byte ^ 0x5A for byte in range(256))
_SWITCHING = b"HTTP/1.1 101"
_RESET = struct.pack("ii", 1, 0)
_SHORT, _LONG, _SHORTEST_HEAD = 126, 127, 2


def frame(opcode: int, payload: bytes = b"", *, first: int = FIN) -> bytes:
    """One masked frame; without FIN for `first` the message goes on."""
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", first | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first | opcode, 0xFF, size)
    return b"".join((head, _KEY, payload.translate(_FLIP)))


def upgrade_request(path: str = PATH) -> bytes:
    """What asks the server for a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Frames:
    """Bytes in as they come, whole unmasked frames out."""

    __slots__ = ("_unread",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self._unread = b""

    def push(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give opcode and payload of each frame that `data` completes."""
        data = self._unread + data if self._unread else data
        at = 0
        while (begin := _payload_begin(data, at)) is not None and begin[0] + begin[1] <= len(data):
            first, size = begin
            opcode = data[at] & 15
            at = first + size
            yield opcode, data[first:at]
        self._unread = data[at:]


def _payload_begin(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` begins and its size; None where that cannot be told yet."""
    if len(data) - at < _SHORTEST_HEAD:
        return None
    size = data[at + 1] & 127
    extra = {_SHORT: 2, _LONG: 8}.get(size, 0)
    if len(data) - at < 2 + extra:
        return None
    if extra:
        size = int.from_bytes(data[at + 2 : at + 2 + extra], "big")
    return at + 2 + extra, size


class Peer(asyncio.Protocol):
    """One connection. `upgraded` is done when the server has switched protocols, `gone` when the socket is closed."""

    def __init__(self) -> None:
        """Begin inside a running loop; `connect` makes the connection."""
        loop = asyncio.get_running_loop()
        self.upgraded: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[int] = loop.create_future()
        self.session_id = ""
        self.close_code = LOST
        self._answer = b""
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The connection below; AssertionError before `connect`."""
        if self._transport is None:
            raise AssertionError("connect comes first")
        return self._transport

    def heard(self, message: bytes, now: float) -> None:
        """Take a text message that came at `now` (seconds of `time.perf_counter`)."""

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Queue one frame; nothing where the connection is gone."""
        self.write(frame(opcode, payload))

    def write(self, data: bytes) -> None:
        """Queue raw bytes; nothing where the connection is gone."""
        if not self.gone.done():
            self.transport.write(data)

    def reset(self) -> None:
        """Leave by RST."""
        cast("socket.socket", self.transport.get_extra_info("socket")).setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the upgrade's answer, then frames."""
        if not self.upgraded.done():
            data = self._read_answer(data)
        now = time.perf_counter()
        for opcode, payload in self._frames.push(data):
            if opcode == TEXT:
                self.heard(payload, now)
            elif opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
                self.send(CLOSE, payload[:2])
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle both futures."""
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionResetError("closed before the upgrade"))
        self.gone.set_result(self.close_code)

    def _read_answer(self, data: bytes) -> bytes:
        """Take the upgrade's answer; what follows it."""
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end:
            return b""
        if not head.startswith(_SWITCHING):
            self.upgraded.set_exception(ConnectionRefusedError(self._answer[:200].decode("latin1")))
            self.transport.abort()
            return b""
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"x-session-id:"):
                self.session_id = head[head.lower().find(line) :][: len(line)].partition(b":")[2].strip().decode()
        self.upgraded.set_result(None)
        return rest


async def connect(peer: Peer, port: int, *, receive_buffer_bytes: int = 0, source: str = "") -> None:
    """Connect and upgrade `peer`; raises OSError or TimeoutError where that does not work."""
    async with asyncio.timeout(CONNECT_WITHIN_S):
        await dial(peer, port, receive_buffer_bytes=receive_buffer_bytes, source=source)
        peer.write(upgrade_request())
        await peer.upgraded


async def dial(peer: asyncio.Protocol, port: int, *, receive_buffer_bytes: int = 0, source: str = "") -> None:
    """Connect `peer` over TCP and send nothing; `source` is the address to come from."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if receive_buffer_bytes:  # Before the connection: its window follows from it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if source:
            sock.bind((source, 0))
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda: peer, sock=sock)
    except BaseException:
        sock.close()
        raise
