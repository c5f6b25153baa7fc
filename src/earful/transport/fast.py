"""The fast transport: WebSockets straight from their sockets, on uvicorn's port and loop.

uvicorn parses HTTP and hands each upgrade to a `FastConnection` (`ws=`). Guarantees what the portable transport does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from earful.transport.farewell import Farewells
from earful.transport.fast_connection import FastConnection
from earful.transport.passage import Passage
from earful.transport.turnstile import Turnstile

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Door


class FastTransport:
    """What all fast connections of a worker share: the registry, the bounds, and those that are closing."""

    def __init__(self, registry: Door, max_message_bytes: int) -> None:
        """Serve the sessions of `registry`."""
        self.registry = registry
        self.max_message_bytes = max_message_bytes
        self.farewells = Farewells()

    def protocol(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> FastConnection:
        """Make the protocol of one connection; uvicorn calls this as its `ws=`."""
        del app_state
        return FastConnection(self, config, server_state)

    def behind_turnstile(
        self, http: Callable[..., asyncio.Protocol], timeout_s: float
    ) -> Callable[..., asyncio.Protocol | Passage]:
        """What uvicorn makes of each new connection, its `http=`: where many are refused, a `Passage` first.

        Of one that sent `early` what the turnstile did not refuse too.
        """

        def first_protocol(
            *, config: Config, server_state: ServerState, early: bytes = b"", **others: Any
        ) -> asyncio.Protocol | Passage:
            go_on = partial(http, config=config, server_state=server_state, **others)
            turnstile = Turnstile(self.registry, config, server_state)
            if early or turnstile.is_shut:
                return Passage(turnstile, server_state, go_on, timeout_s, early)
            return go_on()

        return first_protocol

    def sweep(self, now: float) -> None:
        """Abort what has been closing for too long; the worker's one sweep calls this."""
        self.farewells.sweep(now)
