"""The fast transport: WebSockets straight from their sockets, on uvicorn's port and loop.

uvicorn parses HTTP and hands each upgrade to a `FastConnection` (`ws=`). Guarantees what the portable transport does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earful.transport.farewell import Farewells
from earful.transport.fast_connection import FastConnection

if TYPE_CHECKING:
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

    def sweep(self, now: float) -> None:
        """Abort what has been closing for too long; the worker's one sweep calls this."""
        self.farewells.sweep(now)
