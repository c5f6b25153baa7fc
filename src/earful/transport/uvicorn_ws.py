"""uvicorn's WebSocket protocol with what ASGI has no word for, lent to the route as a `Socket`.

Pings are ours to send, since uvicorn's own deadline closes healthy clients while the application does
not read (backpressure); a close that the peer ignores is bounded; a lost connection is told from a close.
What is no upgrade is answered as on the fast transport, never in the words of a library.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidHandshake, SecurityError

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.service.account import tell_refusal
from earful.transport.answers import FAULT_REASONS, UNFIT, upgrade_refusal
from earful.transport.asgi import FAULT
from earful.transport.origin import origin_of
from earful.transport.peer import end_of, peer_of
from earful.transport.upgrade import UpgradeRequest, parse

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from websockets.frames import Frame
    from websockets.http11 import Request

    from earful.service.wire import Talk
    from earful.telemetry.events import Events

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close, and how often one that has not got it yet is looked at."""
UNSENT_ROUNDS = 4
SHUTDOWN_S = 0.5
"""How long a closing server waits for a peer to take what is unsent."""

SLICE_BYTES = 8192

QUIET = "uvicorn.error.websocket"
"""Name of the logger without uvicorn's lines about each upgrade."""

_TOO_LONG = "The request's headers are too long, or too many."


class Socket(Protocol):
    """What the server lends a route: `scope["extensions"]["earful.socket"]`."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def abort(self) -> None:
        """Drop the connection now."""

    def pause_reading(self) -> None:
        """Read nothing more, pings neither."""

    def resume_reading(self) -> None:
        """Read again, unless a message still waits to be taken."""

    def listen(self, connection: Talk) -> None:
        """Tell `connection` of pings and pongs."""


class LendingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's `websockets-sansio` implementation, which also is the route's `Socket`."""

    def __init__(self, *args: Any, events: Events | None = None, **kwargs: Any) -> None:
        """Bound the closing handshake; `events` is told who was refused before the application was asked."""
        super().__init__(*args, **kwargs)
        # uvicorn tells each upgrade's query, the library headers and messages: keys, and what is spoken.
        self.logger, self.conn.debug = _quiet_logger(), False
        self._events = events
        self.close_timeout = CLOSE_TIMEOUT_S
        self._listener: Talk | None = None
        self._unparsed = bytearray()
        self._turn: asyncio.Handle | None = None
        self._reads = True
        self._is_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who it is in words that trusted proxies are listed by."""
        super().connection_made(transport)
        self.client = end_of(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        """First the request's head, whole, from uvicorn; then the peer's frames, unless it was refused."""
        if not self._is_asked:
            self._is_asked = True
            self._shake_hands(parse(data), data)
        elif self.handshake_initiated and self.handshake_complete:
            self._parse(data)
        elif self.handshake_initiated:
            # A client has to wait for the answer: the library would answer its pings before that.
            self._unparsed += data
            self.transport.pause_reading()

    def _shake_hands(self, request: UpgradeRequest, head: bytes) -> None:
        """Start the application, or refuse what is no upgrade: to us, or to the library."""
        fault = request.fault()
        if fault is None:
            try:
                super().data_received(head)
            except InvalidHandshake:
                fault = HTTPStatus.BAD_REQUEST
            else:
                fault = self._unread()
        if fault is not None:
            self._refuse(request, fault)

    def _unread(self) -> HTTPStatus | None:
        """What kept the parser from reading the request, if anything; it makes no event of that."""
        broken = self.conn.handshake_exc
        if broken is None:
            return None
        if isinstance(broken, SecurityError) or isinstance(broken.__cause__, SecurityError):
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return HTTPStatus.BAD_REQUEST

    def _refuse(self, request: UpgradeRequest, status: HTTPStatus) -> None:
        """Answer as HTTP and end the connection, soon where the peer does not take it."""
        self.handshake_complete = self.close_sent = True
        text = _TOO_LONG if status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else UNFIT
        unfit = EarfulError(ErrorCode.BAD_REQUEST, text)
        peer = peer_of(self.transport.get_extra_info("peername"), request.headers, self.config)
        origin = origin_of(request.headers, peer, "asgi")
        if self._events is not None:
            tell_refusal(self._events, origin, unfit)
        self.transport.write(upgrade_refusal(origin.request_id, unfit, self.default_headers, status))
        self.transport.close()
        self._bound_close()

    def _parse(self, data: bytes) -> None:
        """Parse a slice a turn of the loop: what one read may hold would take half a second of empty pings."""
        if self._unparsed or len(data) > SLICE_BYTES:
            self._unparsed += data
            self.transport.pause_reading()
            if len(self._unparsed) == len(data):
                self._parse_on()
        else:
            super().data_received(data)

    def _parse_on(self) -> None:
        self._turn = None
        if self.disconnected or not self._reads:
            return
        piece = bytes(self._unparsed[:SLICE_BYTES])
        del self._unparsed[:SLICE_BYTES]
        super().data_received(piece)
        if self._reads:
            self.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """Give the next message; read on once there is none, unless what was read is still being parsed."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if self._reads:
                self.resume_reading()
        return message

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken."""
        # A TLS transport of asyncio's that has gone cannot be asked, nor told, anything.
        return 0 if self.disconnected else self.transport.get_write_buffer_size()

    def listen(self, connection: Talk) -> None:
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

    def pause_reading(self) -> None:
        """Read nothing more, pings neither; uvicorn itself pauses only behind a message."""
        self._reads = False
        if not self.disconnected:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, what was read already first, unless a message still waits to be taken."""
        self._reads = True
        if self._unparsed:
            self._turn = self._turn or self.loop.call_soon(self._parse_on)
        elif not self.read_paused and not self.disconnected:
            self.transport.resume_reading()

    async def send(self, message: ASGISendEvent) -> None:
        """Send, or say that the peer has gone; a close that it does not let through is bounded."""
        if self.close_sent and self.handshake_complete:
            # uvicorn takes it for a mistake of the application that the peer broke the protocol meanwhile.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept" and self._unparsed:
            self.resume_reading()
        if self.close_timer is not None:
            self._bound_close()
        if self.close_sent:
            # A refusal completes the handshake too; uvicorn would log the route's return as an error.
            self.handshake_complete = True

    def handle_text(self, event: Frame) -> None:
        """Take a frame's data away with it: the parser keeps its last frame until the next one comes."""
        super().handle_text(event)
        event.data = b""

    def handle_bytes(self, event: Frame) -> None:
        """The same of a binary frame."""
        super().handle_bytes(event)
        event.data = b""

    def handle_cont(self, event: Frame) -> None:
        """The same of what continues either; empty parts without end are neither kept nor free."""
        if event.data or event.fin:
            super().handle_cont(event)
        if not event.fin and self._listener is not None:
            self._listener.ponged()  # A sign of life that counts as a message.
        event.data = b""

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message on; text that is no UTF-8 is the client's mistake, not a fault to log."""
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.frames = []
            self.conn.fail(CloseCode.INVALID_PAYLOAD)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def shutdown(self) -> None:
        """The server ends: close, and wait for no peer that does not read."""
        super().shutdown()
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(SHUTDOWN_S, self.abort)

    def handle_close(self, event: Frame) -> None:
        """Answer; a peer that does not take what is unsent before it is dropped."""
        super().handle_close(event)
        self._bound_close()

    def handle_parser_exception(self) -> None:
        """Close as the broken frame asks, and discard what still comes: closing upon it would be a reset.

        A reset overtakes the close frame, so that the client would never learn what was wrong.
        """
        if self.close_sent:
            return
        sent = self.conn.close_sent
        code = CloseCode.PROTOCOL_ERROR if sent is None else sent.code
        fault = FAULT_REASONS.get(code, "protocol_error")
        self.queue.put_nowait(cast("Any", {"type": "websocket.disconnect", "code": code, FAULT: fault}))
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_sent = True
        self.transport.resume_reading()
        self._bound_close()

    def _bound_close(self) -> None:
        """End the connection soon: closing a transport waits for the peer to read, for ever."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self._give_up, self.unsent_bytes, UNSENT_ROUNDS)

    def _give_up(self, unsent_bytes: int, rounds: int) -> None:
        """Drop the connection, unless the peer still takes what is unsent: then it has another round."""
        if rounds and 0 < self.unsent_bytes < unsent_bytes:
            self.close_timer = self.loop.call_later(CLOSE_TIMEOUT_S, self._give_up, self.unsent_bytes, rounds - 1)
        else:
            self.abort()

    def handle_connect(self, event: Request) -> None:
        """Lend this protocol to the route; the application starts only after this returns.

        Raises InvalidHandshake for what the library does not accept: uvicorn would answer in its words.
        """
        self.conn.process_request(event)
        super().handle_connect(event)
        extensions = cast("dict[str, object]", self.scope["extensions"])
        extensions["earful.socket"] = self

    def handle_ping(self) -> None:
        """Answer, and tell the session."""
        super().handle_ping()
        if self._listener is not None:
            self._listener.pinged()

    def handle_pong(self, event: Frame) -> None:  # noqa: ARG002 - uvicorn's signature
        """Any pong is a sign of life."""
        if self._listener is not None:
            self._listener.ponged()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say 1006 where no close frame came: uvicorn says 1005, as for a close without a code."""
        if self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self._listener = None
        super().connection_lost(exc)


def _quiet_logger() -> logging.Logger:
    """uvicorn's, for warnings and errors alone, whatever level the process logs at."""
    quiet = logging.getLogger(QUIET)
    if quiet.level != logging.WARNING:
        quiet.setLevel(logging.WARNING)
    return quiet


def _is_utf8(pieces: list[bytes]) -> bool:
    text = b"".join(pieces)
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
