"""`earful serve`: uvicorn, subclassed where it would close sockets, ignore ours, or exit 143 on its own.

The first SIGTERM or SIGINT drains, any second one ends the process within a second; a drain that is
done exits 0. The address is bound before anything else, so that a port in use ends the start at once.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from earful.app import Service, build
from earful.certificate import Certificate
from earful.completion import cancelled
from earful.listening import bind_ops, listening, ops_url, place_of
from earful.models.loading import ModelLoadError
from earful.open_files import most_silent, shortage
from earful.renewal import KEPT_ALONE, read_anew, tell_unusable
from earful.runtime import is_compiled, make_room_for_files, settle_collector
from earful.service.identity import Identity
from earful.service.vitals import glance
from earful.settings import Settings, SettingsError
from earful.telemetry.cleaning import places_of
from earful.telemetry.logs import Log, open_log
from earful.telemetry.watchdog import Watchdog
from earful.transport.acceptor import Acceptor
from earful.transport.fast import FastTransport
from earful.transport.lobby import Lobby
from earful.transport.ops_server import OpsServer
from earful.transport.passage import Passage, behind_turnstile
from earful.transport.turnstile import Turnstile
from earful.transport.uvicorn_http import BoundedHttpProtocol, protocol_with
from earful.transport.uvicorn_ws import LendingProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterable
    from types import FrameType

BACKLOG = 4096
FORCED_EXIT = 1
FORCE_WITHIN_S = 0.5
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
TENTHS = 10
"""Of a second, between two of uvicorn's looks; it counts by them, and renews its headers at each tenth."""
GRACE_S = 1
"""How long uvicorn waits for connections to close, in whole seconds."""
LOAD_ENDS_WITHIN_S = 5.0
"""How long the end waits for a model that is being loaded, and does not notice that it is to stop."""
TAKE_DOWN_S = 1.4
"""What is kept of `drain_s`, at most half of it, for closing what the drain left open: uvicorn's grace, and some."""


def run(settings: Settings) -> int:
    """Serve until told to stop; the process' exit code.

    Raises ModelLoadError for a model that cannot be used, StoreUrlError for such a store, SettingsError for traces
    that cannot be and for a certificate that cannot be shown, and CannotListen for an address that cannot be had.
    """
    certificate = Certificate.of(settings)
    files = make_room_for_files(settings.max_sessions)  # Before the log, which has a thread.
    with (
        closing(open_server_log(settings, worker=0)) as log,
        listening(settings, BACKLOG) as listener,
        bind_ops(settings) or nullcontext() as ops_listener,
    ):
        server: Server | None = None

        def drain() -> None:
            if server is not None:
                server.stop()

        service = build(settings, log, drain, Identity(ops=ops_url(ops_listener)))
        server = Server(service, ops_listener, certificate)
        server.renews = server.ends_process = True
        log.info(
            "starting",
            **place_of(listener, settings),
            files=files,
            compiled=is_compiled(),
            **told_of([ops_listener]),
        )
        tell_of_files(settings, files, log)
        server.run(sockets=[listener])
        return server.exit_code()


def tell_of_files(settings: Settings, limit: int, log: Log) -> None:
    """Warn at the start where a full worker would have more files open than it may."""
    if short := shortage(settings, limit):
        log.warning("too few open files for a full worker", **short)


def open_server_log(settings: Settings, worker: int | None = None) -> Log:
    """The log of a server process, to be closed at its end; `worker` is its number, unless it is none."""
    return open_log(settings.log_level, settings.log_format, worker=worker)


def told_of(ops_listeners: Iterable[socket.socket | None]) -> dict[str, object]:
    """What the log tells of the operations listeners: where they are, worker by worker; nothing where none is."""
    ports = [listener.getsockname()[1] for listener in ops_listeners if listener is not None]
    return {"ops_ports": ports} if ports else {}


class Server(uvicorn.Server):
    """One worker's server: loads the model beside answering, drains before it closes anything."""

    renews = False
    """Whether SIGHUP renews what clients are shown; for the main thread of a server alone."""
    ends_process = False
    """Whether its process ends with it: then signals that come after its end are ignored, since all is done."""

    def __init__(
        self,
        service: Service,
        ops_listener: socket.socket | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """Serve `service.app` on sockets given to `run`, and `service.ops_app` on the `ops_listener`.

        With a `certificate` the first is served over TLS.
        """
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                service.app,
                loop="auto",
                **self._protocols(service),
                ws_max_size=settings.max_message_bytes,
                ws_per_message_deflate=False,
                ws_ping_interval=None,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies,
                backlog=BACKLOG,
                lifespan="on",
                ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._service = service
        self._certificate = certificate
        self._settings = settings
        """Those in force, which SIGHUP changes."""
        self._had_terminal = sys.stderr.isatty()
        self._load: asyncio.Task[None] | None = None
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self.lobby = Lobby("public", most_silent(settings, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), service.log)
        service.registry.sweepers.append(self.lobby.sweep)
        self._ops: OpsServer | None = None
        if service.ops_app is not None and ops_listener is not None:
            self._ops = OpsServer(service.ops_app, ops_listener, settings.handshake_timeout_s, service.log)
            service.registry.sweepers.append(self._ops.lobby.sweep)
        service.registry.sweepers.append(self._sweep_http)
        self._watchdog = Watchdog(service.log, partial(glance, service.registry))
        service.registry.sweepers.append(self._watchdog.moved)

    @staticmethod
    def _protocols(service: Service) -> dict[str, Any]:
        """What uvicorn makes of a connection, and of an upgrade; a callable will do, whatever its types say."""
        settings = service.settings
        http = protocol_with(settings.handshake_timeout_s, service.log)
        if settings.transport == "asgi":
            return {"http": http, "ws": partial(LendingProtocol, events=service.registry.events)}
        fast = FastTransport(service.registry, settings.max_message_bytes)
        service.registry.sweepers.append(fast.sweep)
        return {"http": http, "ws": fast.protocol}

    def exit_code(self) -> int:
        """0 after a drain, also one that ran out of time. Raises ModelLoadError where the model did not load."""
        if self._load is not None and self._load.done() and not self._load.cancelled():
            self._load.result()
        return 0

    def stop(self) -> None:
        """Drain, then end. A signal may come anywhere in the loop's turn, or while it sleeps."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen first, then load the model: health says `starting` meanwhile."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_fault)
        if self.renews:
            loop.add_signal_handler(signal.SIGHUP, self._renew)
        await super().startup([])
        self.servers = [self._listen(listener) for listener in sockets or ()]
        if self._ops is not None:
            await self._ops.open()
        if not self.should_exit:
            self._watchdog.open()
        self._load = self.begin_loading()

    def _listen(self, listener: socket.socket) -> Any:
        """Accept on a socket as uvicorn would, whose TLS handshakes have a minute, whatever the settings say."""
        config, loop = self.config, asyncio.get_running_loop()
        registry, settings, state = self._service.registry, self._service.settings, self.server_state
        protocol: Any = config.http_protocol_class  # Also a callable, as a passage is a protocol, whatever types say.
        http = partial(protocol, config=config, server_state=state, app_state=self.lifespan.state, _loop=loop)
        turnstile = Turnstile(registry, config, state, settings.transport)
        make: Any = behind_turnstile(turnstile, state, http, settings.handshake_timeout_s)
        if config.ssl is None:
            acceptor = Acceptor(listener, turnstile, self.lobby, make)
        else:  # Whose first bytes are no request.
            acceptor = Acceptor(listener, None, self.lobby, make, (config.ssl, settings.handshake_timeout_s))
        acceptor.open(config.backlog)
        return acceptor

    def begin_loading(self) -> asyncio.Task[None]:
        """Start the task that loads the model, unless it was; that task."""
        return self._load or asyncio.create_task(self._load_model(), name="load model")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while the sockets are still ours, then let uvicorn close the rest.

        Who watches the drain at the operations listener can do so to its end; not beyond, since the lifespan's end
        takes away what its routes ask.
        """
        if self._load is not None:
            await cancelled({self._load}, LOAD_ENDS_WITHIN_S)
        drain_s = self._service.settings.drain_s
        within_s = drain_s - min(TAKE_DOWN_S, drain_s / 2)
        await self._service.registry.drain(within_s)
        if self._ops is not None:
            await self._ops.close()
        self._watchdog.close()  # Before the lifespan's end, which ends the sweep that tells it that the loop moves.
        await super().shutdown(sockets)
        self._service.log.info("stopped", **self._service.registry.metrics.counts())

    async def main_loop(self) -> None:
        """Until it is to end, look once a second: ten times, as uvicorn does, costs as much as a session."""
        self._loop, tenths = asyncio.get_running_loop(), 0
        while not await self.on_tick(tenths):
            tenths += TENTHS
            with suppress(TimeoutError):
                async with asyncio.timeout(TENTHS / 10):
                    await self._stopped.wait()

    async def on_tick(self, counter: int) -> bool:
        """Keep the operations listener's `date` up to date too."""
        if self._ops is not None:
            await self._ops.on_tick(counter)
        return await super().on_tick(counter)

    def http_connections(self) -> list[BoundedHttpProtocol | Passage]:
        """Those of both listeners that are no WebSockets."""
        servers = [self] if self._ops is None else [self, self._ops]
        connections = [connection for server in servers for connection in server.server_state.connections]
        return [connection for connection in connections if isinstance(connection, BoundedHttpProtocol | Passage)]

    def _renew(self) -> None:
        """Read secret and certificate anew; where the terminal is gone, end."""
        if self._had_terminal and not os.isatty(sys.stderr.fileno()):
            self.stop()
            return
        log = self._service.log
        try:
            settings = read_anew(self._settings, KEPT_ALONE, log)
            if self._certificate is not None and settings.tls_cert is not None:
                self._certificate.renew(settings)
        except SettingsError as error:
            tell_unusable(error, log)
        else:
            self._settings = settings
            self._service.registry.seal.renew(settings.secrets())
            log.info("settings read anew")

    def _note_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught: told without its words, which may be what somebody said."""
        fault = context.get("exception")
        told = {} if fault is None else {"error": type(fault).__name__, "traceback": places_of(fault)}
        self._service.log.error("fault in the event loop", what=context.get("message", ""), **told)

    def _sweep_http(self, now: float) -> None:
        for waiting in self.http_connections():
            waiting.tick(now)

    async def _load_model(self) -> None:
        began = time.monotonic()
        try:
            await self._service.engine.load()
        except ModelLoadError:
            self.stop()
            raise
        settle_collector(self._service.settings.transport)
        took_ms = round((time.monotonic() - began) * 1000)
        self._service.log.info("ready", model=self._service.settings.model, load_ms=took_ms)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle the signals and do not raise them again at the end: a drain exits 0, not 143.

        Where the process ends with the server the defaults are not given back: one that comes meanwhile, all done,
        would still make it 143. Nor may a function stay: the interpreter's end puts the default in its place. Where it
        goes on they are, since what it starts afterwards would inherit that they are ignored.
        """
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            with self._watchdog.answering_signals():
                yield
        finally:
            for number, handler in before.items():
                is_over = self.ends_process and handler in _DEFAULTS
                signal.signal(number, signal.SIG_IGN if is_over else handler)

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
