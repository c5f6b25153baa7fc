"""uvicorn's HTTP protocol with the deadlines and bounds it lacks at the front.

The worker's sweep calls `tick`: a request that is never finished, a body that trickles or stops, and one that
is still being sent after its answer end the connection; headers above 64 KiB are answered with 431. What is no
HTTP is told in the log with the peer that sent it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from earful.transport.body_pace import BodyPace
from earful.transport.peer import end_of

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from earful.telemetry.logs import Logger
    from earful.transport.lobby import Guest

MAX_HEADER_BYTES = 65_536
ANSWERED_BODY_S = 2.0
"""How long a client may go on sending a body that was answered already (refused, mostly)."""
QUIET = "uvicorn.error.http"
"""Name of the logger without uvicorn's warnings of what clients do wrong, which name nobody."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection, until it ends or becomes a WebSocket."""

    request_timeout_s = 10.0
    """Until a request's headers are complete, from the connection's or the request's first byte."""
    log: Logger
    """Told what is refused here; set by `protocol_with`."""

    def __init__(self, *args: Any, guest: Guest, since: float | None = None, **kwargs: Any) -> None:
        """Wait for the first request, `since` a monotonic time; from now on without one. `guest` is in the lobby."""
        super().__init__(*args, **kwargs)
        self._guest = guest
        self.logger = logging.getLogger(QUIET)
        self._headers_since: float | None = time.monotonic() if since is None else since
        self._header_bytes = 0
        self._body_pace: BodyPace | None = None
        """Of the body that is still to come to its end."""
        self._answered_since: float | None = None
        self._refused = False
        self._under_way: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the newest, which may wait behind it."""

    @property
    def awaits_request(self) -> bool:
        """Whether headers are still to come: of a connection just made, or of a request that has begun."""
        return self._headers_since is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Say who it is in words that trusted proxies are listed by."""
        super().connection_made(transport)
        self.client = end_of(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        """Parse; what is held of unfinished headers is bounded."""
        if self._refused:
            return
        if self.flow.read_paused:
            self.transport.pause_reading()  # uvloop forgets it where it was asked while the connection was made.
        if self._body_pace is None and self._headers_since is None:
            self._headers_since = time.monotonic()
        self._header_bytes += len(data)
        super().data_received(data)
        if self._headers_since is not None and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()

    def on_headers_complete(self) -> None:
        """The headers are there: from now on the body is watched."""
        self._guest.leave()
        self._headers_since = None
        self._header_bytes = 0
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse_headers()
            return
        self._body_pace = BodyPace()
        super().on_headers_complete()
        if not self.pipeline:
            self._under_way = self.cycle

    def on_response_complete(self) -> None:
        """Go on with the request that waits the longest."""
        if self.pipeline:
            self._under_way = self.pipeline[-1][0]
        elif not self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self._guest.wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request under way, and write no more answers: uvicorn has the newest alone know of it."""
        self._guest.leave()
        if self._under_way is not None:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        """Count the body."""
        if not self._refused:
            if self._body_pace is not None:
                self._body_pace.came(len(body))
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is finished; uvicorn's keep-alive timer minds the connection until the next."""
        self._body_pace = None
        self._answered_since = None
        self._header_bytes = 0
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Refuse an upgrade behind an unanswered request; break the cycle of the parser that is done.

        The answer to the earlier request would be written into the WebSocket.
        """
        if self._refused:
            return
        earlier: RequestResponseCycle | None = self.cycle
        if earlier is not None and not earlier.response_complete:
            self.send_400_response("Upgrade behind an unanswered request.")
            return
        self._unset_keepalive_if_required()
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and say whose it was."""
        self._tell_refusal(msg)
        super().send_400_response(msg)

    def tick(self, now: float) -> None:
        """End a connection that keeps a request unfinished; `now` in monotonic seconds."""
        since = self._headers_since
        is_late = since is not None and now - since > self.request_timeout_s
        if is_late or (self._body_pace is not None and self._is_hopeless(now, self._body_pace)):
            self.transport.abort()

    def _is_hopeless(self, now: float, pace: BodyPace) -> bool:
        """Whether the body comes too slowly, or for an answer that was given."""
        held_up = self._holds_up()
        if self.cycle.response_complete and not held_up:
            self._answered_since = self._answered_since or now
            return now - self._answered_since > ANSWERED_BODY_S
        return pace.is_too_slow(now, held_up=held_up)

    def _holds_up(self) -> bool:
        """Whether it is on us that no more of the body comes: we do not read, or have yet to ask for it."""
        is_in_line = self.cycle is not self._under_way
        return self.flow.read_paused or is_in_line or self.cycle.waiting_for_100_continue

    def _refuse_headers(self) -> None:
        self._refused = True
        self._tell_refusal("Request headers too large.")
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _tell_refusal(self, why: str) -> None:
        self.log.info("request refused", why=why, peer=self.client[0] if self.client else "")


def protocol_with(request_timeout_s: float, log: Logger) -> type[asyncio.Protocol]:
    """The protocol for one server's settings; uvicorn wants a class."""
    logging.getLogger(QUIET).setLevel(logging.ERROR)
    return type("HttpProtocol", (BoundedHttpProtocol,), {"request_timeout_s": request_timeout_s, "log": log})
