"""A client's connection, lean: the upgrade, frames as they come, and what became of it.

Guarantees that `gone` is done exactly once and that no more than 1 MiB waits to be sent: a server that
does not read loses the connection. Base of all that connects here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec

from earful.bench import clock
from earful.bench.frames import CLOSE, PING, PONG, TEXT, FrameError, Frames, frame
from earful.errors import CloseCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earful.bench.tally import Tally

MAX_UNSENT_BYTES = 1 << 20
LEAVE_WITHIN_S = 3.0
_MAX_HEAD_BYTES = 1 << 16
_SWITCHING = 101
_CODE_BYTES = 2
_NO_CODE = 1005


class Answer(msgspec.Struct, gc=False):
    """What is looked at of a server's message, whatever its type."""

    type: str
    sequence: int = -1
    code: str = ""
    start_ms: int = 0
    end_ms: int = 0
    last: bool = False


_decode = msgspec.json.Decoder(Answer).decode


class RefusedError(Exception):
    """The upgrade was answered, and not with 101; `status` is the HTTP status."""

    def __init__(self, status: int) -> None:
        """Note the status."""
        super().__init__(f"HTTP {status}")
        self.status = status


class Peer(asyncio.Protocol):
    """One connection. `upgraded` is done when the server has switched protocols, `gone` when the socket is closed."""

    __slots__ = (
        "_answer",
        "_frames",
        "_is_leaving",
        "_lost",
        "_request",
        "gone",
        "is_open",
        "tally",
        "transport",
        "upgraded",
    )

    def __init__(self, request: bytes, tally: Tally) -> None:
        """Begin inside a running loop; `request` asks for the upgrade."""
        loop = asyncio.get_running_loop()
        self.upgraded: asyncio.Future[float] = loop.create_future()
        """When the upgrade was answered, in seconds of `clock.now`; else RefusedError or OSError."""
        self.gone: asyncio.Future[None] = loop.create_future()
        self.is_open = False
        self.tally = tally
        self.transport: asyncio.Transport | None = None
        self._request = request
        self._answer = b""
        self._frames = Frames()
        self._is_leaving = False
        self._lost = str(CloseCode.ABNORMAL.value)

    def switched(self) -> None:
        """Do what comes first, now that the connection is open."""

    def heard(self, answer: Answer, now_s: float) -> None:
        """Take a partial or final that came at `now_s` of `clock.now`."""

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send one frame; nothing where the connection is not open."""
        self.write(frame(opcode, payload))

    def write(self, data: bytes) -> None:
        """Send frames made beforehand; nothing where the connection is not open."""
        if self.is_open and self.transport is not None:
            self.transport.write(data)

    def leave(self) -> None:
        """Close in good order, from now on nothing is counted; `gone` follows when the server agrees."""
        self.send(CLOSE, CloseCode.NORMAL.to_bytes(_CODE_BYTES, "big"))
        self._is_leaving = True
        self.is_open = False

    def abort(self) -> None:
        """Drop the connection; nothing where it never was."""
        self._is_leaving = True
        self._drop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the upgrade's answer, then messages; nothing any more where this side has dropped the connection."""
        if self.upgraded.cancelled() or self.transport is None or self.transport.is_closing():
            return
        now_s = clock.now()
        if not self.upgraded.done():
            data = self._read_answer(data, now_s)
        try:
            messages = self._frames.feed(data)
        except FrameError:
            self.tally.note_error("bad_frame")
            self._drop()
            return
        for opcode, payload in messages:
            if opcode == TEXT:
                self._read_message(payload, now_s)
            elif opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                self._read_close(payload)

    def pause_writing(self) -> None:
        """Too much waits to be sent: give the connection up."""
        self._lost = "unsent"
        self._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle both futures, and count the connection as lost where it was."""
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionResetError("it closed before it answered"))
            self.upgraded.exception()  # Looked at here, since whoever dialled may have gone.
        elif not self._is_leaving:
            self.tally.lost[self._lost] += 1
        self.is_open = False
        self.transport = None
        if not self.gone.done():
            self.gone.set_result(None)

    def _drop(self) -> None:
        self.is_open = False
        if self.transport is not None:
            self.transport.abort()

    def _read_answer(self, data: bytes, now_s: float) -> bytes:
        """Take the upgrade's answer; what follows it."""
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end and len(head) <= _MAX_HEAD_BYTES:
            return b""
        self._answer = b""
        status = _status(head)
        if status == _SWITCHING:
            self.is_open = True
            self.upgraded.set_result(now_s)
            self.switched()
            return rest
        refused = RefusedError(status) if status else ConnectionError("it does not speak HTTP")
        self.upgraded.set_exception(refused)
        self.abort()
        return b""

    def _read_message(self, payload: bytes, now_s: float) -> None:
        try:
            answer = _decode(payload)
        except msgspec.DecodeError:
            self.tally.note_error("unreadable")
            return
        if answer.type == "error":
            self.tally.note_error(answer.code)
        elif answer.type in {"partial", "final"}:
            self.tally.answers += 1
            self.heard(answer, now_s)

    def _read_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:_CODE_BYTES], "big") if len(payload) >= _CODE_BYTES else _NO_CODE
        self._lost = str(code)
        self.send(CLOSE, payload[:_CODE_BYTES])
        self.is_open = False
        if self.transport is not None:
            self.transport.close()


def _status(head: bytes) -> int:
    """The status of an HTTP answer; 0 where it is none."""
    version, _, rest = head[:64].partition(b" ")
    return int(rest[:3]) if version.startswith(b"HTTP/1.") and rest[:3].isdigit() else 0


async def leave_together(peers: Iterable[Peer], within_s: float = LEAVE_WITHIN_S) -> None:
    """Let all of them leave; those that the server does not let go in time are dropped."""
    there = [peer for peer in peers if peer.transport is not None]
    for peer in there:
        peer.leave()
    if there:
        await asyncio.wait([peer.gone for peer in there], timeout=within_s)
    for peer in there:
        peer.abort()
