"""All live sessions of one worker: who is let in, who is there, and the one sweep that minds their deadlines.

Built by `app.py`. A slot is taken and given back in one scope, so a handshake that breaks leaks none.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.errors import EarfulError, ErrorCode
from earful.protocol.states import Input
from earful.service.connection import Connection, ConnectionLimits
from earful.service.vitals import look
from earful.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.engine.engine import Engine
    from earful.service.wire import Wire
    from earful.session.rules import ListeningRules, SessionLimits
    from earful.telemetry.logs import Logger
    from earful.telemetry.metrics import Metrics

SWEEP_EVERY_S = 0.25
SETTLED_S = 3.0
"""After the last session left, the worker says what it still holds; sockets that linger have closed by then."""
_FAULTLESS = frozenset({"stop", "deleted", "draining", "peer_closed", "connection_lost", "ping_timeout"})
"""Ends that are no error of client or server."""


@dataclass(frozen=True, slots=True)
class RegistryLimits:
    """How many sessions, and what each may do."""

    max_sessions: int
    max_uploads: int
    rules: ListeningRules
    session: SessionLimits
    connection: ConnectionLimits


class Registry:
    """The sessions of this worker, by id."""

    def __init__(
        self,
        limits: RegistryLimits,
        engine: Engine,
        metrics: Metrics,
        log: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Empty, and open to sessions. All times are in the seconds of `clock`."""
        self.limits = limits
        self.engine = engine
        self.metrics = metrics
        self.log = log
        self.draining = False
        self._clock = clock
        self.connections: dict[str, Connection] = {}
        self.uploads = 0
        self.sweepers: list[Callable[[float], None]] = []
        """What else the one sweep minds: the server's HTTP connections."""
        self._taken = 0
        self._left_at: float | None = None
        self._emptied = asyncio.Event()

    @property
    def taken(self) -> int:
        """Slots in use: live sessions and those still shaking hands."""
        return self._taken

    @contextmanager
    def slot(self) -> Iterator[str]:
        """A place for one session while the scope lasts; gives the session's id.

        Raises EarfulError: `draining`, or `session_limit` where all `max_sessions` are taken.
        """
        self._check_open()
        if self._taken >= self.limits.max_sessions:
            raise self._refusal(ErrorCode.SESSION_LIMIT)
        self._taken += 1
        try:
            yield secrets.token_urlsafe(16)
        finally:
            self._taken -= 1

    @contextmanager
    def upload(self) -> Iterator[None]:
        """A place for one upload while the scope lasts.

        Raises EarfulError: `draining`, or `overloaded` where `max_uploads` are under way.
        """
        self._check_open()
        if self.uploads >= self.limits.max_uploads:
            raise self._refusal(ErrorCode.OVERLOADED, "As many uploads as may be are under way; try again later.")
        self.uploads += 1
        self.metrics.upload_started()
        began = self._clock()
        failed = True
        try:
            yield
            failed = False
        finally:
            self.uploads -= 1
            self.metrics.upload_ended(self._clock() - began, failed=failed)
            self._note_empty()

    def connect(self, session_id: str, wire: Wire, peer: str = "") -> Connection:
        """Begin a session on an upgraded socket, in a slot that is held until it ends; `peer` is for the log."""
        session = Session(session_id, self.limits.rules, self.limits.session, self._clock())
        connection = Connection(
            session,
            wire,
            self.engine.seat,
            self.limits.connection,
            self.metrics,
            self._forget,
            self._note_fault,
            self._clock,
        )
        connection.peer = peer
        self.connections[session_id] = connection
        self._left_at = None
        self.metrics.session_started()
        self.log.debug("session started", session=session_id)
        if self.draining:  # It was let in before, and upgraded after, the others were told.
            connection.end(Input.DRAIN)
        return connection

    def sweep(self, now: float) -> None:
        """Let every deadline that has passed act; the engine's too."""
        self.engine.sweep(now)
        self.metrics.tick(now)
        for connection in list(self.connections.values()):
            connection.tick(now)
        for sweep in self.sweepers:
            sweep(now)
        if self._left_at is not None and now - self._left_at >= SETTLED_S:
            self._left_at = None
            self.log.info("idle", **look(self).as_dict())

    async def sweep_for_ever(self) -> None:
        """Sweep every 250 ms until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self.sweep(self._clock())

    async def drain(self, within_s: float) -> None:
        """Let nobody in, end every session with what it is owed, and wait for that at most `within_s`."""
        self.draining = True
        self.log.info("draining", sessions=len(self.connections), within_s=within_s)
        for connection in list(self.connections.values()):
            connection.end(Input.DRAIN, within_s=within_s)
        self._note_empty()
        try:
            await asyncio.wait_for(self._emptied.wait(), within_s)
        except TimeoutError:
            self.log.warning("drain ran out of time", sessions=len(self.connections), uploads=self.uploads)
            for connection in list(self.connections.values()):
                connection.fail(ErrorCode.DRAINING)

    def _check_open(self) -> None:
        if self.draining:
            raise self._refusal(ErrorCode.DRAINING)
        if not self.engine.ready:
            raise self._refusal(ErrorCode.OVERLOADED, "The model is still being loaded; try again shortly.")

    def _refusal(self, code: ErrorCode, text: str | None = None) -> EarfulError:
        self.metrics.refused(code)
        return EarfulError(code, text)

    def _note_empty(self) -> None:
        if self.draining and not self.connections and not self.uploads:
            self._emptied.set()

    def _note_fault(self, connection: Connection, fault: Exception) -> None:
        places = "".join(traceback.format_tb(fault.__traceback__))
        session_id = connection.session.info.session_id
        self.log.error("session failed", session=session_id, error=type(fault).__name__, traceback=places)

    def _forget(self, connection: Connection) -> None:
        session = connection.session
        reason = session.closing.reason if session.closing is not None else "internal"
        self.connections.pop(session.info.session_id, None)
        numbers = session.numbers
        self.metrics.session_ended(reason, failed=reason not in _FAULTLESS)
        self.metrics.chunks += numbers.chunks
        self.metrics.audio_ms += numbers.audio_ms
        self.metrics.speech_ms += numbers.speech_ms
        self.metrics.partials += numbers.partials
        self.metrics.finals += numbers.finals
        self.log.info(
            "session ended",
            session=session.info.session_id,
            peer=connection.peer,
            reason=reason,
            duration_s=round(self._clock() - session.began_at, 3),
            lag_ms=round(connection.lag_s * 1000),
            **numbers.as_dict(),
        )
        self._left_at = None if self.connections else self._clock()
        self._note_empty()
