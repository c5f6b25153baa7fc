"""The first look at a connection while the worker takes nobody new: most of them end here, for next to nothing.

Guarantees the answer that a `Handshake` would give, at half its cost: neither uvicorn's parser nor a WebSocket is made.
Whatever is not plainly a new session's upgrade goes on to HTTP as if nothing had been. `FastTransport` puts it there.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from earful.errors import EarfulError
from earful.service.account import tell_refusal
from earful.transport.answers import upgrade_refusal
from earful.transport.origin import origin_of
from earful.transport.peer import peer_of
from earful.transport.upgrade import PATH, VERSION, is_key
from earful.transport.uvicorn_http import MAX_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Door
    from earful.transport.upgrade import Header

_FIRST_LINE = b"GET %b HTTP/1.1\r\n" % PATH.encode()
"""Without a query: one that asks for `resume` or `refuse` is looked at closely."""
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+\r\n")
"""All of the header to its end, nothing of it folded, nothing but text: RFC 9110, section 5."""
_END_BYTES = 4
_READ_BYTES = 65_536


def newcomer(data: bytes) -> list[Header] | None:
    """The headers, where `data` is an upgrade without a fault, for a new session, alone and whole; pure.

    One that has a header twice, or more than HTTP takes, is left to HTTP: what is plain is read in one way only.
    """
    begin = len(_FIRST_LINE)
    if len(data) > MAX_HEADER_BYTES or not data.startswith(_FIRST_LINE) or not _FIELDS.fullmatch(data, begin):
        return None
    pairs = [line.partition(b":") for line in data[begin:-_END_BYTES].split(b"\r\n")]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    fields = dict(headers)
    is_upgrade = (
        len(fields) == len(headers)
        and fields.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]
        and fields.get(b"sec-websocket-version") == VERSION.encode()
        and is_key(fields.get(b"sec-websocket-key", b""))
        and b"content-length" not in fields
        and b"transfer-encoding" not in fields
    )
    return headers if is_upgrade else None


class Turnstile:
    """One connection until its first bytes: refused at once, or handed to the HTTP protocol.

    An `asyncio.Protocol` in all but the base, which would keep it from being compiled.
    """

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        go_on: Callable[..., asyncio.Protocol],
        timeout_s: float,
    ) -> None:
        """`go_on` makes the protocol of whoever is not refused, of a connection that is there `since` a monotonic time.

        The first bytes have `timeout_s` to come.
        """
        self._door = door
        self._config = config
        self._server_state = server_state
        self._go_on = go_on
        self._since = time.monotonic()
        self._timeout_s = timeout_s
        self._is_refused = False
        self._fd = -1

    @property
    def awaits_request(self) -> bool:
        """Whether a request may still come."""
        return not self._is_refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn's listener has a connection."""
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()
        self._server_state.connections.add(self)  # type: ignore[arg-type] # uvicorn names its own protocols alone
        # The request came while the connection waited to be taken: the loop would read it a round later.
        with suppress(OSError):
            if self._fd >= 0 and (data := os.read(self._fd, _READ_BYTES)):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Refuse, or make way."""
        if self._is_refused:
            return
        headers = newcomer(data)
        answer = None if headers is None else self._refusal_of(headers)
        if answer is None:
            self._make_way(data)
            return
        self._is_refused = True
        self._say(answer)
        self._transport.close()

    def eof_received(self) -> None:
        """The peer says no more: the transport closes."""

    def pause_writing(self) -> None:
        """A refusal is all that is ever written."""

    def resume_writing(self) -> None:
        """As above."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        del exc
        self._server_state.connections.discard(self)

    def tick(self, now: float) -> None:
        """End a connection that says nothing, or does not take its answer; `now` in monotonic seconds."""
        if now - self._since > self._timeout_s:
            self._transport.abort()

    def shutdown(self) -> None:
        """Uvicorn ends."""
        self._transport.close()

    def _say(self, answer: bytes) -> None:
        """Give it to the kernel at once; what it does not take the loop sends later."""
        sent = 0
        if self._fd >= 0:
            with suppress(OSError):
                sent = os.write(self._fd, answer)
        if sent < len(answer):
            self._transport.write(answer[sent:])

    def _refusal_of(self, headers: list[Header]) -> bytes | None:
        """The answer, where there is no place for anybody; None where there may be one by now."""
        try:
            self._door.check(resuming=False)
        except EarfulError as refused:
            peer = peer_of(self._transport.get_extra_info("peername"), headers, self._config)
            origin = origin_of(headers, peer, "fast")
            tell_refusal(self._door.events, origin, refused)
            return upgrade_refusal(origin.request_id, refused, self._server_state.default_headers)
        return None

    def _make_way(self, data: bytes) -> None:
        """Let the HTTP protocol have the socket, and what came over it."""
        self._server_state.connections.discard(self)
        http = self._go_on(since=self._since)  # Its deadline counts from there: a byte must not buy it another.
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(data)
