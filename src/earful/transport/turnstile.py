"""The first look at a connection while the worker takes nobody new: most of them end here, for next to nothing.

Guarantees the answer that a `Handshake` would give, at half its cost: neither uvicorn's parser nor a WebSocket is made.
Whatever is not plainly a new session's upgrade goes on to HTTP as if nothing had been. `FastTransport` puts it there.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, cast

from earful.errors import EarfulError
from earful.service.account import tell_refusal
from earful.transport.answers import upgrade_refusal
from earful.transport.origin import origin_of
from earful.transport.peer import peer_of
from earful.transport.upgrade import PATH, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Door
    from earful.transport.upgrade import UpgradeRequest

_PLAIN_UPGRADE = re.compile(
    rb"GET %b HTTP/1\.1\r\n(?:[!#-'*+.0-9A-Z^_`a-z|~-]+:[ \t]*[\t -~]*\r\n)+\r\n" % re.escape(PATH.encode())
)
"""One whole request, and nothing behind it, without a query: one that asks for `resume` or `refuse` is looked at
closely."""
_BODILY = frozenset({b"content-length", b"transfer-encoding"})


def newcomer(data: bytes) -> UpgradeRequest | None:
    """The request, where `data` is an upgrade without a fault, for a new session, alone and whole; pure."""
    if _PLAIN_UPGRADE.fullmatch(data) is None:
        return None
    request = parse(data)
    asks = [value.lower() for value in request.values(b"upgrade")] == ["websocket"]
    means_it = "upgrade" in (value.lower() for value in request.values(b"connection"))
    has_body = not _BODILY.isdisjoint(name for name, _ in request.headers)
    return request if asks and means_it and not has_body and request.fault() is None else None


class Turnstile(asyncio.Protocol):
    """One connection until its first bytes: refused at once, or handed to the HTTP protocol."""

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        go_on: Callable[[], asyncio.Protocol],
        timeout_s: float,
    ) -> None:
        """`go_on` makes the protocol of whoever is not refused; the first bytes have `timeout_s` to come."""
        self._door = door
        self._config = config
        self._server_state = server_state
        self._go_on = go_on
        self._gives_up_at = time.monotonic() + timeout_s
        self._is_refused = False

    @property
    def awaits_request(self) -> bool:
        """Whether a request may still come."""
        return not self._is_refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn's listener has a connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type] # uvicorn names its own protocols alone

    def data_received(self, data: bytes) -> None:
        """Refuse, or make way."""
        if self._is_refused:
            return
        request = newcomer(data)
        answer = None if request is None else self._refusal_of(request)
        if answer is None:
            self._make_way(data)
            return
        self._is_refused = True
        self._transport.write(answer)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        del exc
        self._server_state.connections.discard(self)

    def tick(self, now: float) -> None:
        """End a connection that says nothing, or does not take its answer; `now` in monotonic seconds."""
        if now > self._gives_up_at:
            self._transport.abort()

    def shutdown(self) -> None:
        """Uvicorn ends."""
        self._transport.close()

    def _refusal_of(self, request: UpgradeRequest) -> bytes | None:
        """The answer, where there is no place for anybody; None where there may be one by now."""
        try:
            self._door.check(resuming=False)
        except EarfulError as refused:
            peer = peer_of(self._transport.get_extra_info("peername"), request.headers, self._config)
            origin = origin_of(request.headers, peer, "fast")
            tell_refusal(self._door.events, origin, refused)
            return upgrade_refusal(origin.request_id, refused, self._server_state.default_headers)
        return None

    def _make_way(self, data: bytes) -> None:
        """Let the HTTP protocol have the socket, and what came over it."""
        self._server_state.connections.discard(self)
        http = self._go_on()
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(data)
