"""uvicorn's WebSocket protocol with what ASGI has no word for, lent to the route as a `Socket`.

Pings are ours to send, since uvicorn's own deadline closes healthy clients while the application does
not read (backpressure); a close that the peer ignores is bounded; a lost connection is told from a close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.http11 import Request

    from earful.service.connection import Connection

CLOSE_TIMEOUT_S = 2.0


class Socket(Protocol):
    """What the server lends a route: `scope["extensions"]["earful.socket"]`."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def abort(self) -> None:
        """Drop the connection now."""

    def listen(self, connection: Connection) -> None:
        """Tell `connection` of pings and pongs."""


class LendingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's `websockets-sansio` implementation, which also is the route's `Socket`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Bound the closing handshake."""
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S
        self._listener: Connection | None = None

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken."""
        return self.transport.get_write_buffer_size()

    def listen(self, connection: Connection) -> None:
        """Tell `connection` of pings and pongs."""
        self._listener = connection

    def ping(self) -> None:
        """Send an empty ping."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))

    def abort(self) -> None:
        """Drop the connection and everything unsent."""
        self.transport.abort()

    def handle_connect(self, event: Request) -> None:
        """Lend this protocol to the route; the application starts only after this returns."""
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions["earful.socket"] = self

    def handle_ping(self) -> None:
        """Answer, and tell the session."""
        super().handle_ping()
        if self._listener is not None:
            self._listener.pinged()

    def handle_pong(self, event: Frame) -> None:
        """Any pong is a sign of life."""
        if self._listener is not None:
            self._listener.ponged()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say 1006 where no close frame came: uvicorn says 1005, as for a close without a code."""
        if self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self._listener = None
        super().connection_lost(exc)
