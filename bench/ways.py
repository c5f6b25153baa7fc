"""Ten ways to leave a server, most of them bad manners, and the proxy that goes silent.

Each way is a coroutine over one stream that is still connected. `leaving.py` takes a tenth of its
sessions through each; what must be left of them in the server is nothing.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, cast

from crowd import STOP
from wire import CLOSE, TEXT, Peer, dial, upgrade_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crowd import Stream

WAYS = (
    "stop",
    "close frame",
    "FIN",
    "RST",
    "half-close",
    "killed",
    "half a frame",
    "reading stopped",
    "mid-handshake",
    "no packet",
)
"""In this order, stream by stream."""
_NORMAL = struct.pack("!H", 1000)
_HALF_ANSWERED_S = 0.002


def way_of(number: int) -> str:
    """Which way the stream of this number leaves."""
    return WAYS[number % len(WAYS)]


async def leave(stream: Stream, port: int) -> None:
    """Leave by the stream's way; `killed` and `no packet` are for whoever holds the process or the proxy."""
    way = _WAYS.get(way_of(stream.number))
    if way is not None:
        await way(stream, port)


async def _stop(stream: Stream, _: int) -> None:
    stream.send(TEXT, STOP)


async def _close(stream: Stream, _: int) -> None:
    stream.send(CLOSE, _NORMAL)


async def _fin(stream: Stream, _: int) -> None:
    stream.transport.close()


async def _rst(stream: Stream, _: int) -> None:
    stream.reset()


async def _half_close(stream: Stream, _: int) -> None:
    stream.transport.write_eof()


async def _half_frame(stream: Stream, _: int) -> None:
    whole = stream.voice.message(stream.sent)
    stream.write(whole[: len(whole) // 2])
    await asyncio.sleep(_HALF_ANSWERED_S)
    stream.reset()


async def _stop_reading(stream: Stream, _: int) -> None:
    stream.transport.pause_reading()


async def _mid_handshake(stream: Stream, port: int) -> None:
    """Drop the session, come back at once, and leave again inside the handshake, at four points of it."""
    stream.reset()
    again = Peer()
    request = upgrade_request()
    kind = stream.number // len(WAYS) % 4
    await dial(again, port)
    again.upgraded.add_done_callback(lambda future: future.cancelled() or future.exception())
    again.write((b"", request[: len(request) // 2], request, request[: len(request) // 2])[kind])
    if kind == 3:  # noqa: PLR2004 - the fourth point: silent in the middle
        _KEPT.append(again)
    elif kind == 0:
        again.transport.close()
    else:
        await asyncio.sleep(_HALF_ANSWERED_S)
        again.reset()


_KEPT: list[Peer] = []
"""Connections that stay open and silent in the middle of their handshake."""

_WAYS: dict[str, Callable[[Stream, int], Awaitable[None]]] = {
    "stop": _stop,
    "close frame": _close,
    "FIN": _fin,
    "RST": _rst,
    "half-close": _half_close,
    "half a frame": _half_frame,
    "reading stopped": _stop_reading,
    "mid-handshake": _mid_handshake,
}


class Proxy:
    """Forwards TCP to one port until it goes silent: then both sockets stay open and nothing moves, no FIN either."""

    def __init__(self, port: int) -> None:
        """Forward to `port` of this machine."""
        self._target = port
        self._ends: list[_End] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", 0, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    def go_silent(self) -> None:
        """Forward nothing more."""
        for end in self._ends:
            end.go_silent()

    def _accept(self) -> _End:
        near, far = _End(), _End()
        near.other, far.other = far, near
        self._ends += (near, far)
        near.dialling = asyncio.ensure_future(dial(far, self._target))
        return near


class _End(asyncio.Protocol):
    """One side of a proxied connection."""

    def __init__(self) -> None:
        self.other: _End | None = None
        self.dialling: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._early = b""
        self._silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.put(b"")

    def data_received(self, data: bytes) -> None:
        if self.other is not None and not self._silent:
            self.other.put(data)

    def eof_received(self) -> bool:
        """Keep the connection open in silence."""
        return self._silent

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None and self.other._transport is not None and not self._silent:  # noqa: SLF001 - its twin
            self.other._transport.close()  # noqa: SLF001

    def put(self, data: bytes) -> None:
        """Send on, or keep until there is a connection."""
        self._early += data
        if self._transport is not None and self._early:
            self._transport.write(self._early)
            self._early = b""

    def go_silent(self) -> None:
        self._silent = True
        if self._transport is not None:
            self._transport.pause_reading()
