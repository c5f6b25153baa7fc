"""The fast transport: WebSockets straight from the socket to a `Connection`, on uvicorn's port and loop.

uvicorn parses HTTP and hands an upgrade over (`ws=`); from then on a frame is one callback, without a
task, a queue or a timer. Guarantees what the portable transport does; closing ones are swept.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import encode
from earful.protocol.messages import error
from earful.transport.answers import SUBPROTOCOL, error_body, request_id_of, retry_after_s
from earful.transport.frames import FrameReader, Opcode, close_payload, frame
from earful.transport.upgrade import VERSION, Header, UpgradeRequest, parse, response

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.connection import Connection
    from earful.service.registry import Registry

PATH = "/v1/transcribe/stream"
LINGER_S = 2.0
"""How long a closed connection waits for the peer to take what is unsent and to answer the close."""
_TEXT, _BINARY, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE)
_PING, _PONG = int(Opcode.PING), int(Opcode.PONG)
_FAULT_REASONS = {
    CloseCode.PROTOCOL_ERROR: "protocol_error",
    CloseCode.INVALID_PAYLOAD: "invalid_utf8",
    CloseCode.TOO_BIG: "message_too_big",
}


class FastTransport:
    """What all fast connections of a worker share: the registry, the bounds, and those that are closing."""

    def __init__(self, registry: Registry, max_message_bytes: int) -> None:
        """Serve the sessions of `registry`."""
        self.registry = registry
        self.max_message_bytes = max_message_bytes
        self._closing: dict[FastConnection, float | None] = {}

    def protocol(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> FastConnection:
        """Make the protocol of one connection; uvicorn calls this as its `ws=`."""
        del app_state
        return FastConnection(self, config, server_state)

    def watch(self, connection: FastConnection) -> None:
        """Abort this closing connection if it is still there in `LINGER_S`."""
        self._closing.setdefault(connection, None)

    def forget(self, connection: FastConnection) -> None:
        """This connection is gone."""
        self._closing.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Abort what has been closing for too long; the worker's one sweep calls this."""
        for connection, deadline in list(self._closing.items()):
            if deadline is None:
                self._closing[connection] = now + LINGER_S
            elif now >= deadline:
                connection.abort()


class FastConnection(asyncio.Protocol):
    """One socket, from the upgrade request to its end; the `Wire` of a `Connection` in between."""

    __slots__ = (
        "_config",
        "_connection",
        "_fd",
        "_is_closing",
        "_pong",
        "_reader",
        "_server_state",
        "_shared",
        "_slot",
        "_transport",
    )

    def __init__(self, shared: FastTransport, config: Config, server_state: ServerState) -> None:
        """Wait for the upgrade request."""
        self._shared = shared
        self._config = config
        self._server_state = server_state
        self._slot = ExitStack()
        self._reader = FrameReader(shared.max_message_bytes)
        self._connection: Connection | None = None
        self._is_closing = False
        self._pong: bytes | None = None
        self._fd = -1

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn gives us the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(cast("Any", self))
        if transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()
        # Zero makes pause_writing and resume_writing say when the kernel takes no more, and all of it again.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """First the request's head, whole, from uvicorn; then the peer's frames."""
        connection = self._connection
        if connection is None:
            if not self._is_closing:
                self._shake_hands(parse(data))
            return
        for opcode, payload in self._reader.feed(data):
            if opcode == _TEXT:
                connection.message(payload)
            elif opcode == _BINARY:
                connection.audio(payload)
            else:
                self._receive_control(connection, opcode, payload)
        if self._reader.fault is not None and not self._is_closing:
            connection.lost(_FAULT_REASONS[self._reader.fault])
            self.close(self._reader.fault, "")

    def pause_writing(self) -> None:
        """The kernel takes no more; `unsent_bytes` says how much waits."""

    def resume_writing(self) -> None:
        """The kernel took everything."""
        pong, self._pong = self._pong, None
        if pong is not None:
            self._write(frame(_PONG, pong))
        if self._connection is not None and not self._is_closing:
            self._connection.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever ended it."""
        del exc
        self._fd = -1
        self._is_closing = True
        self._server_state.connections.discard(cast("Any", self))
        self._shared.forget(self)
        if self._connection is not None:
            self._connection.lost("connection_lost")
        self._slot.close()

    def shutdown(self) -> None:
        """Uvicorn ends: what a drain left open is closed."""
        self.close(CloseCode.RESTART, "")
        self._transport.close()

    # What the `Connection` calls: the `Wire`.

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken."""
        return self._transport.get_write_buffer_size()

    def send(self, text: bytes) -> None:
        """Send one text message, or queue it where the kernel takes no more."""
        if not self._is_closing:
            self._write(frame(_TEXT, text))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after everything queued; then wait for the peer's, but not for long."""
        if not self._is_closing:
            self._is_closing = True
            self._write(frame(_CLOSE, close_payload(code, reason)))
            # The peer's close frame is behind what it has sent; closing before it would reset the connection.
            self._transport.resume_reading()
            self._shared.watch(self)

    def abort(self) -> None:
        """Drop the connection and what is unsent."""
        self._is_closing = True
        self._transport.abort()

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._is_closing:
            self._write(frame(_PING, b""))

    def pause_reading(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        """Give the kernel what it takes at once, without the loop's detour; the transport minds the rest."""
        transport = self._transport
        if self._fd >= 0 and not transport.get_write_buffer_size() and not transport.is_closing():
            try:
                sent = os.write(self._fd, data)
            except OSError:
                # Full, or gone: the transport finds out which, and tells us.
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)

    def _receive_control(self, connection: Connection, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            connection.pinged()
            if self._transport.get_write_buffer_size():
                # Pings without end from a peer that does not read must not pile up answers: the newest is enough.
                self._pong = payload
            elif not self._is_closing:
                self._write(frame(_PONG, payload))
        elif opcode == _PONG:
            connection.ponged()
        else:
            connection.lost("peer_closed")
            if not self._is_closing:
                self._is_closing = True
                self._write(frame(_CLOSE, payload[:2]))
                self._shared.watch(self)
            self._transport.close()

    # The upgrade.

    def _shake_hands(self, request: UpgradeRequest) -> None:
        """Admit or refuse, and say so."""
        if request.path.removeprefix(self._config.root_path) != PATH:
            self._refuse(request, EarfulError(ErrorCode.NOT_FOUND))
            return
        fault = request.fault()
        if fault is not None:
            self._answer(fault, [(b"sec-websocket-version", VERSION.encode())])
            return
        registry = self._shared.registry
        try:
            session_id = self._slot.enter_context(registry.slot())
        except EarfulError as refused:
            registry.metrics.refused(refused.code)
            if request.query.get("refuse") == ["close"]:
                self._accept(request, [])
                self._turn_away(refused)
            else:
                self._refuse(request, refused)
            return
        self._accept(request, [(b"x-session-id", session_id.encode())])
        self._connection = registry.connect(session_id, self, self._peer(request))

    def _accept(self, request: UpgradeRequest, headers: list[Header]) -> None:
        chosen = [(b"sec-websocket-protocol", SUBPROTOCOL.encode())]
        offered = SUBPROTOCOL in request.values(b"sec-websocket-protocol")
        self._transport.write(
            response(
                HTTPStatus.SWITCHING_PROTOCOLS,
                [
                    (b"upgrade", b"websocket"),
                    (b"connection", b"Upgrade"),
                    (b"sec-websocket-accept", request.accept_key().encode()),
                    *(chosen if offered else []),
                    *self._server_state.default_headers,
                    *headers,
                ],
            )
        )

    def _turn_away(self, refused: EarfulError) -> None:
        """Refuse after the upgrade, for browsers, which see no status before it."""
        told = error(refused.code, text=refused.text, fatal=True, retry_after_ms=retry_after_s() * 1000)
        self.send(encode(told))
        self.close(CloseCode.TRY_LATER, refused.code.value)

    def _refuse(self, request: UpgradeRequest, refused: EarfulError) -> None:
        request_id = request_id_of(next(iter(request.values(b"x-request-id")), None))
        headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
        if refused.row.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(retry_after_s()).encode()))
        self._answer(HTTPStatus(refused.row.http_status), headers, error_body(refused, request_id))

    def _answer(self, status: HTTPStatus, headers: list[Header], body: bytes = b"") -> None:
        self._is_closing = True
        self._transport.write(response(status, [*self._server_state.default_headers, *headers], body))
        self._transport.close()
        self._shared.watch(self)

    def _peer(self, request: UpgradeRequest) -> str:
        """The client's address; a trusted proxy's word for it counts."""
        peer = self._transport.get_extra_info("peername")
        scope: Any = {"type": "websocket", "scheme": "ws", "client": peer, "headers": request.headers}
        # uvicorn's rules for trusted proxies stand in its middleware, which never waits.
        follow: Any = ProxyHeadersMiddleware(_nothing, self._config.forwarded_allow_ips or "127.0.0.1")
        with suppress(StopIteration):
            follow(scope, _nothing, _nothing).send(None)
        return str(scope["client"][0]) if scope["client"] else ""


async def _nothing(*_: object) -> None:
    """Stand in for an app, and for its channels."""
