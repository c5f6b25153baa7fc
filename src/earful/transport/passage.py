"""A connection that has come to a turnstile, until its first bytes: refused at once, or handed to the HTTP protocol.

There is one where the turnstile is shut, unless the `Acceptor` has turned the connection away itself.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn.server import ServerState

    from earful.transport.lobby import Guest
    from earful.transport.turnstile import Turnstile

_READ_BYTES = 65_536


class Passage:
    """An `asyncio.Protocol` in all but the base, which would keep it from being compiled."""

    def __init__(
        self,
        turnstile: Turnstile,
        server_state: ServerState,
        go_on: Callable[..., asyncio.Protocol],
        timeout_s: float,
        guest: Guest,
        early: bytes = b"",
    ) -> None:
        """`go_on` makes the protocol of whoever is not refused, of a connection that is there `since` a monotonic time.

        The first bytes have `timeout_s` to come; whoever has sent `early` was looked at, and goes on with it. `guest`
        is in the lobby until HTTP has a whole request.
        """
        self._turnstile = turnstile
        self._server_state = server_state
        self._go_on = go_on
        self._since = time.monotonic()
        self._timeout_s = timeout_s
        self._guest = guest
        self._early = early
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
        if self._early:
            self._make_way(self._early)
            return
        # The request came while the connection waited to be taken: the loop would read it a round later.
        with suppress(OSError):
            if self._fd >= 0 and (data := os.read(self._fd, _READ_BYTES)):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Refuse, or make way."""
        if self._is_refused:
            return
        answer = self._turnstile.refusal_of(data, self._transport.get_extra_info("peername"))
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
        self._guest.leave()
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

    def _make_way(self, data: bytes) -> None:
        """Let the HTTP protocol have the socket, and what came over it."""
        self._server_state.connections.discard(self)
        # Its deadline counts from there: a byte must not buy it another.
        http = self._go_on(since=self._since, guest=self._guest)
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(data)


def behind_turnstile(
    turnstile: Turnstile, server_state: ServerState, http: Callable[..., asyncio.Protocol], timeout_s: float
) -> Callable[..., asyncio.Protocol | Passage]:
    """What makes each new connection's first protocol: `http` itself, or where many are refused a `Passage` before it.

    Of one that sent `early` what the turnstile did not refuse too.
    """

    def first_protocol(early: bytes, guest: Guest) -> asyncio.Protocol | Passage:
        if early or turnstile.is_shut:
            return Passage(turnstile, server_state, http, timeout_s, guest, early)
        return http(guest=guest)

    return first_protocol
