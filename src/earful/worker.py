"""`earful serve --workers N`: what the supervisor is given to run, and what each of its worker processes does.

A worker serves its slot's socket as a server alone would serve its own. It is told to end by SIGTERM (drain), by
`retire` (its successor is there: it lets in whom it accepted, then drains), or by the end of its supervisor.
"""

from __future__ import annotations

import asyncio
import math
import select
import signal
import socket
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from earful.app import CLOSE_WITHIN_S, build, seal_of
from earful.certificate import Certificate
from earful.listening import bind, bind_ops, bind_path, ops_url, place_of
from earful.models.loading import ModelLoadError
from earful.renewal import KEPT_BY_ALL, read_anew, tell_access, tell_unusable
from earful.runtime import is_compiled, make_room_for_files, settle_collector
from earful.server import BACKLOG, GRACE_S, Server, open_server_log, tell_of_files, told_of
from earful.service.identity import Identity
from earful.settings import Settings, SettingsError
from earful.store.opening import is_shared
from earful.supervisor.line import PRESSED, Word
from earful.supervisor.supervisor import Supervisor
from earful.telemetry.tracing import CLOSE_WITHIN_S as TRACES_WITHIN_S
from earful.telemetry.tracing import check_tracing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from earful.app import Service
    from earful.protocol.seal import Seal
    from earful.supervisor.line import Line
    from earful.supervisor.process import Station, Work
    from earful.telemetry.logs import Logger

CANNOT_START = 2
NEWCOMERS_S = 1.0
"""How long a worker that leaves waits for the first request of those whom it has accepted."""
SLACK_S = GRACE_S + CLOSE_WITHIN_S + TRACES_WITHIN_S + 2.0
"""What a worker may take to end beyond its drain, before it is killed: all of these, and a busy machine."""
ALIVE_EVERY_S = 1.0
"""How often a worker tells its supervisor that its event loop moves, give or take a sweep."""
_LOOK_EVERY_S = 0.05
_OF_ROOM = frozenset({Word.ROOM, Word.NO_ROOM})
_QUIET_LOOKS = 2
"""One is not enough: who was accepted a moment ago is not a connection yet, who asked has not taken a place yet."""


def run(settings: Settings) -> int:
    """Serve with `settings.workers` processes until told to stop; the exit code.

    Raises CannotStart for a model that cannot be used, StoreUrlError for such a store, SettingsError for traces that
    cannot be and for a certificate that cannot be shown, and CannotListen for an address that cannot be had.
    """
    check_tracing(settings)
    certificate, seal = Certificate.of(settings), seal_of(settings)
    has_store = is_shared(settings.store.get_secret_value())
    files = make_room_for_files(0)  # A fork does not hand on more room than is used.
    with ExitStack() as scope:
        log = scope.enter_context(closing(open_server_log(settings)))
        listeners = scope.enter_context(bind_slots(settings))
        ops_listeners = [scope.enter_context(listener) for listener in bind_ops_slots(settings)]
        log.info(
            "starting",
            **place_of(listeners[0], settings),
            files=files,
            workers=settings.workers,
            compiled=is_compiled(),
            **told_of(ops_listeners),
        )
        tell_of_files(settings, files, log)
        if not has_store:
            log.info("without a shared store each worker counts, limits and lists its own sessions")
        # Before the forks: what the workers share need not be copied by looking at it.
        settle_collector(settings.transport)
        work = partial(serve_slot, settings, seal, certificate)
        renew = Succession(settings, seal, log).work_anew
        end_within_s = settings.drain_s + SLACK_S
        retire_within_s = NEWCOMERS_S + end_within_s
        sockets = list(zip(listeners, ops_listeners, strict=True)) if ops_listeners else [(one,) for one in listeners]
        return Supervisor(
            sockets, work, log, end_within_s=end_within_s, retire_within_s=retire_within_s, renew=renew
        ).run()


class Succession:
    """What the workers after these do, from one SIGHUP to the next."""

    def __init__(self, settings: Settings, seal: Seal, log: Logger) -> None:
        """Begin with the settings of the start, and the seal of a start without a secret."""
        self._settings = settings
        self._seal = seal
        self._log = log

    def work_anew(self) -> Work | None:
        """The same with the settings of now, and with the seal where these have no secret.

        None, and a line in the log, where they cannot be used.
        """
        try:
            anew = read_anew(self._settings, KEPT_BY_ALL, self._log)
            certificate = Certificate.of(anew)
        except SettingsError as error:
            tell_unusable(error, self._log)
            return None
        self._log.info("settings read anew")
        tell_access(self._settings, anew, self._log)
        self._settings = anew
        return partial(serve_slot, anew, seal_of(anew) if anew.secrets() else self._seal, certificate)


@contextmanager
def bind_slots(settings: Settings) -> Iterator[list[socket.socket]]:
    """A listening socket for each worker, for as long as the scope lasts. Raises CannotListen.

    On a path they are one socket several times, and whoever is free takes who comes.
    """
    with ExitStack() as scope:
        if settings.uds is None:
            listeners = bind_ports(settings)
        else:
            shared = scope.enter_context(bind_path(settings, BACKLOG))
            listeners = [shared.dup() for _ in range(settings.workers)]
            shared.close()  # So that with the last of the others nobody listens any more.
        yield [scope.enter_context(listener) for listener in listeners]


def bind_ports(settings: Settings) -> list[socket.socket]:
    """A listening socket for each worker, all on one port, between which the kernel spreads connections evenly.

    Raises CannotListen where anybody else, another `earful serve` too, has the port.
    """
    with ExitStack() as scope:
        # Alone at first: sharing from the beginning, it would join a stranger who shares as well.
        listeners = [scope.enter_context(bind(settings))]
        listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = listeners[0].getsockname()[1]
        listeners += [scope.enter_context(bind(settings, port)) for _ in range(1, settings.workers)]
        for listener in listeners:
            listener.listen(BACKLOG)
        scope.pop_all()
    return listeners


def bind_ops_slots(settings: Settings) -> list[socket.socket]:
    """A listening socket for the operations of each worker, if the settings ask for it. Raises CannotListen."""
    with ExitStack() as scope:
        bound = (bind_ops(settings, slot) for slot in range(settings.workers))
        listeners = [scope.enter_context(listener) for listener in bound if listener is not None]
        scope.pop_all()
    return listeners


def serve_slot(settings: Settings, seal: Seal, certificate: Certificate | None, station: Station) -> int:
    """Be one worker, with what all show to clients: serve the slot's socket until told to stop; the exit code."""
    make_room_for_files(settings.max_sessions)  # Before the first thread.
    outlive(station.line, NEWCOMERS_S + settings.drain_s + SLACK_S)
    identity = Identity(station.slot, settings.workers, ops=ops_url(*station.listeners[1:]))
    with closing(open_server_log(settings, station.slot)) as log:
        try:
            service = build(settings, log, partial(station.line.say, Word.DRAIN), identity, seal)
            server = WorkerServer(service, station, certificate)
            server.run(sockets=[station.listeners[0]])
            return server.exit_code()
        except (ModelLoadError, SettingsError) as error:
            station.line.say(Word.FAILED, str(error))
            return CANNOT_START


def outlive(line: Line, for_s: float) -> None:
    """Have the kernel end this process `for_s` after its supervisor has ended, for nobody else will if it hangs."""

    def watch() -> None:
        end = select.poll()
        end.register(line.fileno(), 0)  # Words are not waited for; the end is always told.
        end.poll()
        signal.setitimer(signal.ITIMER_REAL, for_s)

    # A thread, since the event loop may be what hangs.
    Thread(target=watch, name="supervisor watch", daemon=True).start()


class WorkerServer(Server):
    """One worker's server, with a supervisor above it and perhaps a successor beside it."""

    def __init__(self, service: Service, station: Station, certificate: Certificate | None = None) -> None:
        """Serve `service` at `station`."""
        super().__init__(service, station.listeners[1] if station.listeners[1:] else None, certificate)
        self.ends_process = True
        self._station = station
        self._is_leaving = False
        self._ends_last = False
        """Whether no other worker will be there when this one has ended."""
        self._said_alive_at = -math.inf
        service.registry.sweepers.append(self._say_alive)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the model as long as newcomers may wait for it, then listen; tell the supervisor when both are done."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._station.line.fileno(), self._hear)
        await self._hold()
        if not self.should_exit:
            await super().startup(sockets)
            self.begin_loading().add_done_callback(self._tell)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave those who come to whoever listens after this one, where there may be one; then as ever."""
        if self._is_leaving:
            for server in self.servers:
                server.close()
            if self._ops is not None:
                self._ops.stop_accepting()
            await self._let_newcomers_in()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: drain, however often it comes, for it may come from several sides. The supervisor kills.

        To one that retires it says that the others end too.
        """
        del frame
        if sig == signal.SIGTERM:
            self._ends_last = True
            self.stop()
            if self._loop is not None:  # Later, since now may be in the middle of a session's step.
                self._loop.call_soon_threadsafe(self._service.registry.end_here)

    async def _hold(self) -> None:
        """Leave those who connect in the socket's queue while the model loads."""
        if not self._station.hold_s:
            return
        self._load = load = self.begin_loading()
        until = time.monotonic() + self._station.hold_s
        while not self.should_exit and time.monotonic() < until and not load.done():
            await asyncio.wait({load}, timeout=_LOOK_EVERY_S)

    def _tell(self, load: asyncio.Task[None]) -> None:
        if not load.cancelled() and load.exception() is None:
            self._station.line.say(Word.READY)

    def _say_alive(self, now: float) -> None:
        if now - self._said_alive_at >= ALIVE_EVERY_S:
            self._said_alive_at = now
            self._station.line.say(Word.ALIVE, PRESSED if self._service.registry.is_pressed else "")

    def _hear(self) -> None:
        """Take what the supervisor says, or that it is gone."""
        line, registry = self._station.line, self._service.registry
        words = [word for word, _ in line.take()]
        for word in words:
            if word in _OF_ROOM:
                registry.siblings_have_room = word is Word.ROOM
        is_told = Word.RETIRE in words
        if not line.is_open:
            asyncio.get_running_loop().remove_reader(line.fileno())
            self._service.log.warning("supervisor is gone")
            registry.end_here()
        elif is_told and not self._ends_last:
            registry.here_goes_on = True  # A successor has the seal too.
        if is_told or not line.is_open:
            self._is_leaving = True
            self.stop()

    async def _let_newcomers_in(self) -> None:
        """Wait for the requests that are on their way; connections between two requests are closed."""
        until = time.monotonic() + NEWCOMERS_S
        quiet_looks = 0
        while quiet_looks < _QUIET_LOOKS and time.monotonic() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
            connections = self.http_connections()
            quiet_looks = 0 if any(http.awaits_request for http in connections) else quiet_looks + 1
            for http in connections:
                if not http.awaits_request:
                    http.shutdown()
