"""All live sessions of one worker: who is let in, who is there, and the one sweep that minds their deadlines.

Built by `app.py`. Whom it lets in is decided by its base, `Places`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.completion import cancelled
from earful.errors import ErrorCode
from earful.protocol.seal import Seal
from earful.protocol.states import Input
from earful.service.account import Account
from earful.service.admission import ANYBODY
from earful.service.claims import Claims, LocalClaims
from earful.service.connection import Connection, ConnectionLimits
from earful.service.drain import drain, keep, way_out
from earful.service.ladder import PARTIALS_EVERY_MS
from earful.service.origin import NOWHERE, Origin
from earful.service.places import Places
from earful.service.reasons import is_fault
from earful.service.vitals import look
from earful.session.claim import Claim, Verdict
from earful.session.session import Session
from earful.telemetry.cleaning import places_of
from earful.telemetry.tracing import NO_TRACER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from earful.engine.engine import Engine
    from earful.service.admission import Admission, Entrance
    from earful.service.ladder import Level
    from earful.service.wire import Wire
    from earful.session.rules import ListeningRules, SessionLimits
    from earful.telemetry.events import Events
    from earful.telemetry.metrics import Metrics
    from earful.telemetry.tracing import Tracer

SWEEP_EVERY_S = 0.25
SETTLED_S = 3.0
"""After the last session left, the worker says what it still holds; sockets that linger have closed by then."""
CLAIM_WITHIN_S = 0.5
"""How long a session waits for the directory; then its cursor alone decides."""


@dataclass(frozen=True, slots=True)
class RegistryLimits:
    """How many sessions, and what each may do."""

    max_sessions: int
    max_uploads: int
    rules: ListeningRules
    session: SessionLimits
    connection: ConnectionLimits
    resume_reserve: int = 0
    """Places on top of `max_sessions`, for resumed sessions only."""
    max_sessions_total: int | None = None
    """How many sessions all workers hold together, resumed ones not refused."""
    max_new_sessions_per_s: float = 0.0
    """How fast they may begin, while nothing presses the worker; 0 is no limit."""
    max_loop_load: float = 0.0
    """Share of its time that the event loop may be busy before nobody new is let in; 0 is no limit."""
    max_model_load: float = 0.0
    """For which share of its time live sessions may keep the model busy, as far as is known; 0 is any."""
    log_text: bool = False
    """Whether the finals' text is logged, on debug lines."""


class Registry(Places):
    """The sessions of this worker, by id."""

    def __init__(
        self,
        limits: RegistryLimits,
        engine: Engine,
        metrics: Metrics,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
        *,
        seal: Seal | None = None,
        claims: Claims | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        """Empty, and open to sessions. All times are in the seconds of `clock`.

        What happens to them is told to `events`, and the rest to its log; `seal` signs cursors, by default with a
        secret of its own; `claims` is the directory, by default what this worker knows; transports ask at the
        `entrance`, if there is one, who may come in.
        """
        super().__init__(limits, engine, metrics, clock)
        self.log = events.log
        self.events = events
        self.tracer: Tracer = NO_TRACER
        """What makes spans of sessions and uploads."""
        self.entrance = entrance
        self.seal = seal or Seal.drawn()
        self._claims = LocalClaims(clock) if claims is None else claims
        self.here_goes_on = False
        """Whether other workers have a seal of reach `here`, and outlive a drain of this one; until `end_here`."""
        self._claiming: set[asyncio.Task[None]] = set()
        self.connections: dict[str, Connection] = {}
        self.workers_elsewhere = 0
        """How many other workers the store knows, as of its last word; 0 while there is none ..."""
        self.pressed_elsewhere = 0
        """... and how many of them are pressed, too."""
        self.siblings_have_room = False
        """Whether a worker of the same supervisor takes sessions that are sent on, as that says."""
        self.is_accepting = True
        """Whether a balancer should send new sessions here: steadier than `level`."""
        self.sweepers: list[Callable[[float], None]] = []
        """What else the one sweep minds: the server's HTTP connections."""
        self._left_at: float | None = None
        self._drained_at = 0.0
        self._emptied = asyncio.Event()

    def connect(
        self, session_id: str, wire: Wire, origin: Origin = NOWHERE, admission: Admission = ANYBODY
    ) -> Connection:
        """Begin a session on an upgraded socket, in a slot that is held until it ends."""
        now, unix_s = self._clock(), int(time.time())
        session = Session(session_id, self.limits.rules, self.limits.session, now, seal=self.seal, unix_s=unix_s)
        session.opening.tenant = admission.tenant
        returning = self._returning.get(session_id)
        session.opening.is_returning = returning is not None
        session.space_partials(PARTIALS_EVERY_MS[self.level])
        if returning is not None and returning.is_reserved:
            session.demand_resume()
        connection = Connection(
            session,
            wire,
            self.engine.seat,
            self.limits.connection,
            self.metrics,
            self._forget,
            _note_fault,
            self._clock,
        )
        trace = self.tracer.session(session_id, origin.parent)
        connection.account = Account(session, self.events, origin, trace, tells_text=self.limits.log_text)
        connection.ask = self._ask
        self.connections[session_id] = connection
        self.tenants.enter(admission.tenant)
        self._left_at = None
        self.metrics.session_started()
        connection.account.connected(is_resuming=returning is not None)
        if self.draining:  # It was let in before, and upgraded after, the others were told.
            connection.end(way_out(self, connection))
        return connection

    def enter(self, level: Level) -> None:
        """Shed from now on what this level sheds, in the live sessions too."""
        self.level = level
        self.metrics.pressed(level)
        for connection in self.connections.values():
            connection.session.space_partials(PARTIALS_EVERY_MS[level])

    def delete(self, connection: Connection) -> None:
        """End a session for good: what it is owed is answered, and it cannot be resumed."""
        session = connection.session
        life_s = self.limits.session.cursor_life_s
        self._claims.delete(Claim(session.info.session_id, session.opening.tenant, session.attempt, life_s))
        connection.end(Input.END)

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
            due = self._clock() + SWEEP_EVERY_S
            await asyncio.sleep(SWEEP_EVERY_S)
            now = self._clock()
            self.metrics.swept(max(0.0, now - due))
            try:
                self.sweep(now)
            except Exception as fault:  # noqa: BLE001 - the task's boundary: without it no deadline is minded
                self._note_sweep_fault(fault)

    async def drain(self, within_s: float) -> None:
        """Let nobody in, end every session with what it is owed, and wait for that at most `within_s`."""
        self.draining, self._drained_at = True, self._clock() + within_s
        if self.entrance is not None:
            self.entrance.close()
        self.log.info("draining", sessions=len(self.connections), within_s=within_s)
        self._vacated()
        await drain(self, within_s, self._clock)

    def end_here(self) -> None:
        """No worker outlives a drain of this one: who was to be handed over by a seal of reach `here` ends here."""
        self.here_goes_on = False
        if self.draining:
            keep(self, max(0.0, self._drained_at - self._clock()))

    async def emptied(self) -> None:
        """Wait until the last session of a drain has gone, with its socket, and the last upload."""
        await self._emptied.wait()

    def can_hand_over(self, connection: Connection) -> bool:
        """Whether a session of this worker can go on elsewhere."""
        return (self.here_goes_on or self.seal.reach == "anywhere") and connection.session.can_resume

    async def close(self) -> None:
        """Wait for nobody's verdict any more; the sessions have ended."""
        await cancelled(self._claiming, CLAIM_WITHIN_S)

    def _ask(self, connection: Connection, claim: Claim) -> Verdict | None:
        """Take a claim to the directory; where that takes a wait, a task brings the verdict."""
        answer = self._claims.claim(claim)
        if isinstance(answer, Verdict):
            return self._carried_out(connection, claim, answer)
        task = asyncio.get_running_loop().create_task(self._await_verdict(connection, claim, answer), name="claim")
        self._claiming.add(task)
        task.add_done_callback(self._claiming.discard)
        if isinstance(answer, Coroutine):  # A task that is cancelled before its first step leaves it as it was.
            task.add_done_callback(lambda _: answer.close())
        return None

    async def _await_verdict(self, connection: Connection, claim: Claim, answer: Awaitable[Verdict]) -> None:
        verdict = Verdict.GRANTED
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                verdict = await answer
        except TimeoutError:
            self.events.tell(connection.session.info.session_id, "claim was not decided in time", attempt=claim.attempt)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            connection.crash(fault)
        if connection.session.closing is None:
            connection.claimed(self._carried_out(connection, claim, verdict))

    def _carried_out(self, connection: Connection, claim: Claim, verdict: Verdict) -> Verdict:
        """Where a session goes on here, it does so under its own id, and no longer on an older connection.

        Verdicts may arrive in another order than they were given in: a newer connection stays.
        """
        holder = self.connections.get(claim.session_id) if claim.attempt else None
        if verdict is Verdict.GRANTED and holder is not None and holder.session.attempt >= claim.attempt:
            verdict = Verdict.SUPERSEDED
        self.metrics.claimed(verdict.value)
        if verdict is Verdict.GRANTED:
            self._is_back(connection.session.info.session_id)  # Under the id of its slot, which it has until now.
        if verdict is not Verdict.GRANTED or not claim.attempt:
            return verdict
        if holder is not None:
            holder.account.is_superseded(claim.attempt)
            holder.fail(ErrorCode.SUPERSEDED)
        connection.account.goes_on_with(claim.session_id, claim.attempt)
        del self.connections[connection.session.info.session_id]
        self.connections[claim.session_id] = connection
        self.metrics.session_resumed()
        return verdict

    def _vacated(self) -> None:
        # A session that has ended keeps its slot until its socket is gone: its last words may still be on their way.
        if self.draining and not self.connections and not self.uploads and not self._taken:
            self._emptied.set()

    def _note_sweep_fault(self, fault: Exception) -> None:
        self.log.error("sweep failed", error=type(fault).__name__, traceback=places_of(fault))

    def _forget(self, connection: Connection) -> None:
        session, now = connection.session, self._clock()
        reason = connection.account.ends(
            now,
            lag_s=connection.lag_s,
            longest_lag_s=connection.longest_lag_s,
            silent_s=now - connection.seen_at,
        )
        self.connections.pop(session.info.session_id, None)
        self.tenants.leave(session.opening.tenant)
        self.metrics.session_ended(reason, failed=is_fault(reason))
        self.metrics.of_ended.add(connection.totals)
        self._left_at = None if self.connections else now
        self._vacated()


def _note_fault(connection: Connection, fault: Exception) -> None:
    connection.account.fails(fault)
