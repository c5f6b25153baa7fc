"""The operations listener: a second uvicorn server on the worker's loop, for an app and a socket of its own.

Guarantees that it shares nothing with the public one that has a limit, takes no signal and starts no task. Opened
and closed by the server it belongs to, which also ticks it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from earful.transport.acceptor import Acceptor
from earful.transport.lobby import Lobby
from earful.transport.uvicorn_http import protocol_with
from earful.transport.uvicorn_ws import LendingProtocol

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from earful.telemetry.logs import Logger

MOST_SILENT_OPS = 16
"""Connections that say nothing, or nothing more: scrapers and operators are few."""
GRACE_S = 1
"""How long an answer under way may take when it closes, in whole seconds."""


class OpsServer(uvicorn.Server):
    """Never told to `serve`, which would take the signals: its owner calls the steps that `serve` would."""

    def __init__(self, app: FastAPI, listener: socket.socket, request_timeout_s: float, log: Logger) -> None:
        """Serve `app` on `listener`, once opened; what is no request is told to `log`."""
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_with(request_timeout_s, log),
                ws=LendingProtocol,  # Which refuses an upgrade without a warning in the log.
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._listener = listener
        self.lobby = Lobby("operations", MOST_SILENT_OPS, log)

    async def open(self) -> None:
        """Accept."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([])
        protocol: Any = self.config.http_protocol_class
        http = partial(protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        acceptor: Any = Acceptor(self._listener, None, self.lobby, lambda _, guest: http(guest=guest))
        acceptor.open(self.config.backlog)
        self.servers = [acceptor]

    def stop_accepting(self) -> None:
        """Leave those who come to whoever else listens on the socket."""
        for server in self.servers:
            server.close()

    async def close(self) -> None:
        """Close everything, within about `GRACE_S`."""
        await self.shutdown([self._listener])
