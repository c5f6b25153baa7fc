"""The portable transport: Starlette WebSocket routes that run on any ASGI server.

One task reads, one writes; both end with the connection. Under `earful serve` the server's protocol
(`uvicorn_ws.py`) also lends what ASGI has no word for: pings, the unsent bytes of the socket, abort.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.service.account import tell_refusal
from earful.service.admission import ANYBODY, Caller
from earful.transport.answers import (
    RETRY_STATUSES,
    SUBPROTOCOL,
    late_refusal,
    refusal,
    retry_after_s,
)
from earful.transport.frames import NO_CODE
from earful.transport.origin import origin_of
from earful.transport.upgrade import PATH
from earful.transport.vestibule import welcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.routing import BaseRoute
    from starlette.types import Message

    from earful.service.admission import Admission
    from earful.service.origin import Origin
    from earful.service.registry import Registry
    from earful.service.wire import Talk
    from earful.transport.uvicorn_ws import Socket

LINGER_S = 2.0
"""How long a closed connection waits for the peer to answer the close ..."""
UNSENT_LINGER_S = 8.0
"""... and, where finals are still unsent, to take them."""
FAULT = "earful.fault"
"""Key of a disconnect event, from a server that lends a socket: why it closed, where the peer's frames were broken."""


class AsgiWire:
    """A `Wire` over one accepted Starlette WebSocket."""

    def __init__(self, websocket: WebSocket, socket: Socket | None, deadline: asyncio.Timeout) -> None:
        """`socket` is what the server lends beyond ASGI, if it does; `deadline` is the whole route's."""
        self._websocket = websocket
        self._socket = socket
        self._deadline = deadline
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._news = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._readable = asyncio.Event()
        self._readable.set()

    @property
    def unsent_bytes(self) -> int:
        """What is queued here and in the server's socket."""
        return self._queued_bytes + (0 if self._socket is None else self._socket.unsent_bytes)

    def send(self, text: bytes) -> None:
        """Queue one text message."""
        self._queue.append(text)
        self._queued_bytes += len(text)
        self._news.set()

    def close(self, code: int, reason: str) -> None:
        """Close after everything queued; the route ends in bounded time, whatever the peer does."""
        if self._closing is None:
            self._closing = (code, reason)
            linger_s = UNSENT_LINGER_S if self.unsent_bytes and code != CloseCode.SLOW_READER else LINGER_S
            self._end_within(linger_s)
            self._news.set()
            self.resume_reading()

    def abort(self) -> None:
        """Drop the connection now; without a lent socket, when the route ends."""
        if self._socket is not None:
            self._socket.abort()
        self._end_within(0)

    def ping(self) -> None:
        """Ask for a sign of life, where the server can."""
        if self._socket is not None:
            self._socket.ping()

    def pause_reading(self) -> None:
        """Take no further message from the server, which then stops reading the socket: at once where it can."""
        self._readable.clear()
        if self._socket is not None:
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        self._readable.set()
        if self._socket is not None:
            self._socket.resume_reading()

    async def may_read(self) -> None:
        """Wait while reading is paused."""
        while not self._readable.is_set():  # Again, where it was allowed and forbidden in one step.
            if self._socket is not None:
                # The server took the message before this one, and with that went on reading.
                self._socket.pause_reading()
            await self._readable.wait()

    async def write(self, connection: Talk) -> None:
        """Send what is queued, then the close; ends by itself."""
        while True:
            while self._queue:
                await self._websocket.send_text(self._queue[0].decode())
                self._queued_bytes -= len(self._queue.popleft())
            if self._closing is not None:
                await self._websocket.close(*self._closing)
                return
            if not self.unsent_bytes:
                connection.writable()
            self._news.clear()
            if not self._queue:
                await self._news.wait()

    def _end_within(self, seconds: float) -> None:
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + seconds)


def websocket_routes(registry: Registry) -> list[BaseRoute]:
    """The one path, and the answer on all others; before any mount, which would take upgrades for requests."""
    return [
        WebSocketRoute(PATH, partial(stream, registry=registry)),
        WebSocketRoute("/{path:path}", partial(nowhere, registry=registry)),
    ]


async def nowhere(websocket: WebSocket, registry: Registry) -> None:
    """Answer an upgrade on a path that is none: 404."""
    origin, refused = _origin(websocket), EarfulError(ErrorCode.NOT_FOUND)
    tell_refusal(registry.events, origin, refused)
    await _deny(websocket, refused, origin)


async def stream(websocket: WebSocket, registry: Registry) -> None:
    """Serve `WS /v1/transcribe/stream`: admit or refuse, then carry the session until it ends."""
    origin = _origin(websocket)
    try:
        resuming = websocket.query_params.get("resume") == "1"
        caller = Caller(websocket.url.path, websocket.headers.raw, parse_qs(websocket.url.query), origin.peer)
        admission = await _admission(registry, caller, resuming=resuming)
        with registry.slot(resuming=resuming, admission=admission) as session_id:
            if await _is_accepted(websocket, session_id, origin, registry.limits.session.handshake_timeout_s):
                await _carry(
                    websocket, partial(welcome, registry, session_id, origin=origin, admission=admission, caller=caller)
                )
    except EarfulError as refused:
        tell_refusal(registry.events, origin, refused)
        await _refuse(websocket, refused, origin)


async def _admission(registry: Registry, caller: Caller, *, resuming: bool) -> Admission:
    """As whom this one may come in; raises EarfulError where it may not, or where there is no place for anybody."""
    if registry.entrance is None:
        return ANYBODY
    registry.check(resuming=resuming)
    return await registry.entrance.ask(caller)


async def _is_accepted(websocket: WebSocket, session_id: str, origin: Origin, within_s: float) -> bool:
    """Answer the upgrade; False where the client has gone, or the server does not take the answer."""
    named = [(b"x-session-id", session_id.encode()), (b"x-request-id", origin.request_id.encode())]
    with suppress(WebSocketDisconnect, OSError):  # A TimeoutError is one, too.
        async with asyncio.timeout(within_s):
            await websocket.accept(_subprotocol(websocket), headers=named)
            return True
    return False


def _origin(websocket: WebSocket) -> Origin:
    peer = websocket.client.host if websocket.client else ""
    return origin_of(websocket.headers.raw, peer, "asgi")


def _subprotocol(websocket: WebSocket) -> str | None:
    """Ours, where it is offered."""
    return SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", []) else None


async def _carry(websocket: WebSocket, begin: Callable[[AsgiWire], Talk]) -> None:
    socket: Socket | None = websocket.scope.get("extensions", {}).get("earful.socket")
    try:
        async with asyncio.timeout(None) as deadline:
            wire = AsgiWire(websocket, socket, deadline)
            connection = begin(wire)
            async with _writing(wire, connection):
                try:
                    if socket is not None:
                        socket.listen(connection)
                    await _read(websocket, connection, wire)
                finally:
                    # Not behind the scope: its deadline, which the end moves, could not be moved any more.
                    connection.lost("connection_lost")
    except TimeoutError:
        # The peer neither took what it was owed nor answered the close.
        if socket is not None:
            socket.abort()


@asynccontextmanager
async def _writing(wire: AsgiWire, connection: Talk) -> AsyncIterator[None]:
    """Write beside the scope; a server that does not let go of a message then is left with it."""
    writer = asyncio.create_task(wire.write(connection), name="websocket writer")
    try:
        yield
    finally:
        writer.cancel()
        await asyncio.wait({writer}, timeout=LINGER_S)
        if writer.done():
            _take_exception(writer)


async def _read(websocket: WebSocket, connection: Talk, wire: AsgiWire) -> None:
    while True:
        await wire.may_read()
        # Not through a name: this frame would keep each message, 20 KB mostly, until the next one comes.
        if not _hear(await websocket.receive(), connection):
            return


def _hear(message: Message, connection: Talk) -> bool:
    """Hand one message on; False where it is the end."""
    if message["type"] == "websocket.disconnect":
        code = message.get("code", NO_CODE)
        if FAULT in message:
            connection.lost(message[FAULT], code)
        elif code == CloseCode.ABNORMAL:
            connection.lost("connection_lost")
        else:
            connection.lost("peer_closed", code, code)
        return False
    text = message.get("text")
    if text is not None:
        connection.message(text)
    else:
        connection.audio(message["bytes"])
    return True


def _take_exception(writer: asyncio.Task[None]) -> None:
    """Raise what ended the writer, unless it is that the peer had gone."""
    if not writer.cancelled() and not isinstance(writer.exception(), WebSocketDisconnect | None):
        writer.result()


async def _refuse(websocket: WebSocket, refused: EarfulError, origin: Origin) -> None:
    if websocket.query_params.get("refuse") == "close":
        told, code = late_refusal(refused)
        with suppress(WebSocketDisconnect, OSError):  # A TimeoutError is one, too.
            async with asyncio.timeout(LINGER_S):
                await websocket.accept(_subprotocol(websocket))
                await websocket.send_text(told.decode())
                await websocket.close(code, refused.code.value)
    else:
        await _deny(websocket, refused, origin)


async def _deny(websocket: WebSocket, refused: EarfulError, origin: Origin) -> None:
    """Answer as HTTP, where the client has not gone; a server that cannot do so says 403."""
    wait_s = retry_after_s() if refused.row.http_status in RETRY_STATUSES else None
    answer = refusal(refused, request_id=origin.request_id, retry_after_s=wait_s)
    with suppress(WebSocketDisconnect, OSError):
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(answer)
        else:
            await websocket.close()
