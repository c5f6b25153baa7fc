"""`earful serve`: uvicorn, subclassed where it would close sockets, ignore ours, or exit 143 on its own.

The first SIGTERM or SIGINT drains, any second one ends the process within a second; a drain that is
done exits 0. The address is bound before anything else, so that a port in use ends the start at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from earful.app import Service, build
from earful.models.loading import ModelLoadError
from earful.runtime import is_compiled, settle_collector
from earful.telemetry.logs import open_log
from earful.transport.fast import FastTransport
from earful.transport.uvicorn_http import BoundedHttpProtocol, protocol_with
from earful.transport.uvicorn_ws import LendingProtocol

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from earful.settings import Settings
    from earful.telemetry.logs import Logger

BACKLOG = 4096
FORCED_EXIT = 1
FORCE_WITHIN_S = 0.5
GRACE_S = 1
"""How long uvicorn waits for connections to close, in whole seconds."""
TAKE_DOWN_S = 1.4
"""What is kept of `drain_s`, at most half of it, for closing what the drain left open: uvicorn's grace, and some."""


def run(settings: Settings) -> int:
    """Serve until told to stop; the process' exit code.

    Raises ModelLoadError for a model that cannot be used, StoreUrlError for such a store, SettingsError for traces
    that cannot be, and OSError for an address that cannot be bound.
    """
    log = open_server_log(settings)
    listener = bind(settings)
    with listener:
        server: Server | None = None

        def drain() -> None:
            if server is not None:
                server.stop()

        service = build(settings, log, drain)
        server = Server(service)
        port = listener.getsockname()[1]
        log.info("starting", host=settings.host, port=port, files=raise_file_limit(), compiled=is_compiled())
        server.run(sockets=[listener])
        return server.exit_code()


def open_server_log(settings: Settings, worker: int | None = None) -> Logger:
    """The log of a server process; `worker` is its number where there are several."""
    log = open_log(settings.log_level, settings.log_format, worker=worker)
    # What uvicorn tells of every connection, the session's own line tells better.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return log


def bind(settings: Settings, shared_port: int | None = None) -> socket.socket:
    """The listening address, not accepting yet. Accepted sockets inherit its bounded send buffer.

    With `shared_port` it is that port of the host, beside other sockets that are bound to it and share it.
    """
    port = settings.port if shared_port is None else shared_port
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared_port is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def raise_file_limit() -> int:
    """Raise the limit of open files to the hard one; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server(uvicorn.Server):
    """One worker's server: loads the model beside answering, drains before it closes anything."""

    def __init__(self, service: Service) -> None:
        """Serve `service.app` on sockets given to `run`."""
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                service.app,
                loop="auto",
                http=protocol_with(settings.handshake_timeout_s),
                ws=self._websockets(service),
                ws_max_size=settings.max_message_bytes,
                ws_per_message_deflate=False,
                ws_ping_interval=None,
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                lifespan="on",
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._service = service
        self._load: asyncio.Task[None] | None = None
        self._signals = 0
        service.registry.sweepers.append(self._sweep_http)

    @staticmethod
    def _websockets(service: Service) -> Any:
        """What uvicorn hands an upgrade to; a callable will do, whatever its type says."""
        if service.settings.transport == "asgi":
            return LendingProtocol
        fast = FastTransport(service.registry, service.settings.max_message_bytes)
        service.registry.sweepers.append(fast.sweep)
        return fast.protocol

    def exit_code(self) -> int:
        """0 after a drain, also one that ran out of time. Raises ModelLoadError where the model did not load."""
        if self._load is not None and self._load.done() and not self._load.cancelled():
            self._load.result()
        return 0

    def stop(self) -> None:
        """Drain, then end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen first, then load the model: health says `starting` meanwhile."""
        await super().startup(sockets)
        self._load = self.begin_loading()

    def begin_loading(self) -> asyncio.Task[None]:
        """Start the task that loads the model, unless it was; that task."""
        return self._load or asyncio.create_task(self._load_model(), name="load model")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while the sockets are still ours, then let uvicorn close the rest."""
        if self._load is not None:
            self._load.cancel()
            await asyncio.wait({self._load})
        drain_s = self._service.settings.drain_s
        within_s = drain_s - min(TAKE_DOWN_S, drain_s / 2)
        await self._service.registry.drain(within_s)
        await super().shutdown(sockets)
        self._service.log.info("stopped")

    def _sweep_http(self, now: float) -> None:
        for waiting in list(self.server_state.connections):
            if isinstance(waiting, BoundedHttpProtocol):
                waiting.tick(now)

    async def _load_model(self) -> None:
        began = time.monotonic()
        try:
            await self._service.engine.load()
        except ModelLoadError:
            self.should_exit = True
            raise
        settle_collector()
        took_ms = round((time.monotonic() - began) * 1000)
        self._service.log.info("ready", model=self._service.settings.model, load_ms=took_ms)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle the signals and do not raise them again at the end: a drain exits 0, not 143."""
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: drain. Second: end within a second, whatever is still open."""
        del sig, frame
        self._signals += 1
        if self._signals == 1:
            self.stop()
        else:
            self.force_exit = True
            # A timer of the kernel's: it fires also where the event loop is stuck.
            signal.signal(signal.SIGALRM, lambda *_: os._exit(FORCED_EXIT))
            signal.setitimer(signal.ITIMER_REAL, FORCE_WITHIN_S)
