"""What a worker does about too much load: reads once a sweep how it stands, and sheds as the ladder says.

Guarantees that finals are never shed, and that a session is sent on only where another worker can take it. Built by
`app.py`; the registry's sweep calls it.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import TYPE_CHECKING

from earful.protocol.states import Input, State
from earful.service.ladder import Ladder, Level, Openness, Reading
from earful.telemetry import memory
from earful.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.service.connection import Connection
    from earful.service.ladder import LadderRules
    from earful.service.registry import Registry
    from earful.telemetry.histogram import Distribution
    from earful.telemetry.memory import Memory

MOST = 0.9
"""The share of answers whose lag counts."""
ANSWERS_OF_SWEEPS = 4
MEMORY_EVERY_S = 1.0
SEND_ON_EVERY_S = 2.0
SEND_ON_SHARE = 0.05
"""Of the sessions, how many are sent on at once."""
SENT_ON_WITHIN_S = 5.0
STAY_S = 10.0
"""How long who has just come is left alone: it may have been sent on already."""


class Overload:
    """The ladder of one worker, with its readings and its deeds."""

    def __init__(
        self,
        registry: Registry,
        rules: LadderRules,
        look_at_memory: Callable[[], Memory] = memory.look,
    ) -> None:
        """Nothing is shed yet."""
        self._registry = registry
        self._rules = rules
        self._ladder = Ladder(rules)
        self._openness = Openness()
        self._look_at_memory = look_at_memory
        self._answered: deque[Distribution] = deque(maxlen=ANSWERS_OF_SWEEPS)
        self._memory_share = 0.0
        self._memory_due = -math.inf
        self._send_on_due = -math.inf
        self._leaving: deque[tuple[float, Connection]] = deque()

    def sweep(self, now: float) -> None:
        """Look once, and shed what is to be shed."""
        registry, ladder = self._registry, self._ladder
        reading = Reading(self._audio_lag_s(now), registry.metrics.late_s, self._memory_now(now))
        if ladder.observe(reading, now, self._top):
            registry.enter(ladder.level)
            self._tell(reading)
        is_full = registry.is_out_of_time or registry.is_full
        self._openness.observe(max(ladder.level, Level.NO_NEW_SESSIONS) if is_full else ladder.level, now)
        registry.is_accepting = self._openness.is_open
        self._let_leave(now)
        if ladder.level is Level.HANDING_OVER and now >= self._send_on_due and not registry.draining:
            self._send_on(now)

    def _let_leave(self, now: float) -> None:
        """Whose time here is over; not whom a DELETE or a drain has taken back, which is owed its final."""
        while self._leaving and self._leaving[0][0] <= now:
            _, connection = self._leaving.popleft()
            if connection.session.is_handed_over:
                connection.leave()

    @property
    def _top(self) -> Level:
        return Level.HANDING_OVER if self._others_can_go_on else Level.NO_NEW_SESSIONS

    @property
    def _others_can_go_on(self) -> bool:
        """Not where the supervisor or the store knows that all are pressed as this one is.

        Of memory that is scarce siblings have no more than this one: it is that of their machine.
        """
        registry = self._registry
        if 0 < registry.workers_elsewhere <= registry.pressed_elsewhere:
            return False
        siblings_can = registry.siblings_have_room and self._memory_share < self._rules.memory_share[0]
        return siblings_can or (registry.workers_elsewhere > 0 and registry.seal.reach == "anywhere")

    def _audio_lag_s(self, now: float) -> float:
        """Of the last second's answers, and of what has waited for one until now.

        Without whoever waits longest: one session whose call hangs is no overload, also where it is nearly alone.
        """
        seats = (connection.seat for connection in self._registry.connections.values())
        waits = sorted(waiting_s for seat in seats if seat is not None and (waiting_s := seat.waiting_s(now)))
        waiting = Histogram()
        for waiting_s in waits[:-1]:
            waiting.observe(waiting_s)
        newest = self._registry.metrics.latency.snapshot()
        oldest = self._answered[0] if self._answered else newest
        self._answered.append(newest)
        return newest.since(oldest).plus(waiting.snapshot()).quantile_ms(MOST) / 1000

    def _memory_now(self, now: float) -> float:
        """The share that is in use; read from files, so not at every sweep."""
        if now >= self._memory_due:
            self._memory_due = now + MEMORY_EVERY_S
            used_bytes, limit_bytes = self._look_at_memory()
            self._memory_share = used_bytes / limit_bytes if limit_bytes else 0.0
        return self._memory_share

    def _send_on(self, now: float) -> None:
        """Send the newest on, a few at a time: whether that was enough shows only after a while."""
        self._send_on_due = now + SEND_ON_EVERY_S
        most = math.ceil(len(self._registry.connections) * SEND_ON_SHARE)
        newest = heapq.nlargest(most, self._movable(now), key=lambda connection: connection.session.began_at)
        for connection in newest:
            connection.end(Input.HAND_OVER, within_s=SENT_ON_WITHIN_S, reason="overload")
            self._leaving.append((now + SENT_ON_WITHIN_S, connection))
        if newest:
            self._registry.log.info("newest sessions sent on", sessions=len(newest))

    def _movable(self, now: float) -> Iterator[Connection]:
        """Who can go on elsewhere, has been here for a while, and was not sent here from elsewhere.

        Where all workers are pressed a session would go round for ever.
        """
        for connection in self._registry.connections.values():
            session, began = connection.session, connection.session.started_at
            is_settled = session.state is State.ACTIVE and began is not None and now - began >= STAY_S
            if is_settled and session.can_resume and not session.attempt:
                yield connection

    def _tell(self, reading: Reading) -> None:
        ladder, log = self._ladder, self._registry.log
        fields = {
            "overload_level": int(ladder.level),
            "sheds": ladder.level.name.lower(),
            "cause": ladder.cause,
            "audio_lag_ms": round(reading.audio_lag_s * 1000),
            "loop_lag_ms": round(reading.loop_lag_s * 1000),
            "memory_percent": round(reading.memory_share * 100),
            "sessions": len(self._registry.connections),
        }
        if ladder.has_risen:
            log.warning("overload grew", **fields)
        else:
            log.info("overload eased", **fields)
