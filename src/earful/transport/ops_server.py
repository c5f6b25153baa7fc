"""The operations listener: a second uvicorn server on the worker's loop, for an app and a socket of its own.

Guarantees that it shares nothing with the public one that has a limit, takes no signal and starts no task. Opened
and closed by the server it belongs to, which also ticks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from earful.transport.uvicorn_http import protocol_with
from earful.transport.uvicorn_ws import LendingProtocol

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from earful.telemetry.logs import Logger

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

    async def open(self) -> None:
        """Accept."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([self._listener])

    def stop_accepting(self) -> None:
        """Leave those who come to whoever else listens on the socket."""
        for server in self.servers:
            server.close()

    async def close(self) -> None:
        """Close everything, within about `GRACE_S`."""
        await self.shutdown([self._listener])
