"""Who takes part in a scenario: those who try to connect, those who speak, those who wait for their last final.

Guarantees that no session is without one of these three places, and that all places are empty when `dismiss` returns.
Led by `performance`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.peer import RefusedError, leave_together
from earful.bench.scenario.caller import Caller
from earful.bench.scenario.talk import Talk
from earful.bench.tally import Tally
from earful.bench.voice import Turns, Voice

if TYPE_CHECKING:
    from earful.bench.dialer import Dialer
    from earful.bench.plan import Plan
    from earful.bench.recording import Recording
    from earful.bench.scenario.metronome import Metronome
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.timeline import Cell, Timeline

LAST_FINAL_WITHIN_S = 10.0
_SLOW_S = 5.0
_REFUSED_REST_S = 1.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """What the refused do: at most `most` of them at once ask again every `every_s`; the others go away."""

    most: int = 0
    every_s: float = 0.1


class Cast:
    """Sessions of `shape` on a timeline, who speak as `plan` says."""

    def __init__(
        self, shape: Shape, plan: Plan, recording: Recording, dialer: Dialer, retrying: Retrying = Retrying()
    ) -> None:
        """Begin with nobody there."""
        self.tally = Tally()
        self._shape = shape
        self._plan = plan
        self._recording = recording
        self._dialer = dialer
        self._retrying = retrying
        self._numbers = count()
        self._speaking: deque[Caller] = deque()
        self._leaving: list[Caller] = []
        self._coming: set[asyncio.Task[None]] = set()
        self._asking_again = 0

    @property
    def speaking(self) -> int:
        """How many there are that speak, or did until just now."""
        return len(self._speaking)

    @property
    def expected(self) -> int:
        """Those, and those who try to be."""
        return len(self._speaking) + len(self._coming)

    def is_owed(self) -> bool:
        """Whether an answer that counts may still come."""
        return any(caller.is_owed() for caller in (*self._speaking, *self._leaving))

    def send(self, timeline: Timeline, metronome: Metronome) -> None:
        """Let one more come."""
        task = asyncio.create_task(self._come(timeline, metronome))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    def let_go(self, number: int, now_s: float) -> None:
        """Let so many of those that speak say `stop`, the oldest first."""
        for _ in range(min(number, len(self._speaking))):
            self._stop(self._speaking.popleft(), now_s)

    def look(self, now_s: float) -> None:
        """Let those stop whose time is over, and give up those whose last final does not come."""
        there, self._speaking = self._speaking, deque()
        for caller in there:
            if caller.stops_s <= now_s:
                self._stop(caller, now_s)
            elif caller.is_open:
                self._speaking.append(caller)
        for caller in self._leaving:
            if caller.gives_up_s <= now_s:
                caller.give_up()
        self._leaving = [caller for caller in self._leaving if caller.transport is not None]

    async def dismiss(self, *, early: bool) -> None:
        """Let all of them leave at once; what they are owed counts as not answered, or not at all where it is early."""
        coming = list(self._coming)
        for task in coming:
            task.cancel()
        if coming:
            await asyncio.wait(coming)
        there = [*self._speaking, *self._leaving]
        for caller in there:
            if caller.talk is not None and early:
                caller.talk.forget()
        await leave_together(there)

    async def _come(self, timeline: Timeline, metronome: Metronome) -> None:
        caller = await self._admitted(timeline)
        if caller is None:
            return
        first_s = metronome.join(caller, clock.now())
        caller.talk = Talk(timeline, caller.voice, first_s, self._plan.chunk_s)
        if not caller.is_counted:
            caller.read_nothing(round(_SLOW_S / self._plan.chunk_s))
        self._speaking.append(caller)

    async def _admitted(self, timeline: Timeline) -> Caller | None:
        """Connect, again and again where that is what the refused do; None where it stays refused to the end."""
        number = next(self._numbers)
        caller = self._caller(number)
        if await self._dial(caller, timeline):
            return caller
        if not self._shape.is_open:
            await asyncio.sleep(_REFUSED_REST_S)  # Its place stays taken, or another would ask in its stead at once.
            return None
        if self._asking_again >= self._retrying.most:
            return None
        self._asking_again += 1
        try:
            while True:
                await asyncio.sleep(self._retrying.every_s)
                if timeline.at(clock.now()) is None:
                    return None
                if await self._dial(caller := self._caller(number), timeline):
                    return caller
        finally:
            self._asking_again -= 1

    async def _dial(self, caller: Caller, timeline: Timeline) -> bool:
        began_s = clock.now()
        try:
            is_open = await self._dialer.dial(caller)
        except asyncio.CancelledError:
            caller.abort()  # It may just have been let in.
            raise
        cell = timeline.at(began_s)
        if cell is not None:
            _book(cell, caller, clock.now() - began_s)
        return is_open

    def _caller(self, number: int) -> Caller:
        plan = self._plan
        turns = Turns(number, plan.duty, plan.chunk_ms) if plan.duty < 1 else None
        caller = Caller(self._dialer.request, self.tally, Voice(self._recording, number, turns), opts_in=plan.start)
        caller.vanishes, caller.is_counted = self._shape.drops(number), not self._shape.is_slow(number)
        lasts_s = self._shape.lasts_s(number)
        if lasts_s is not None:
            caller.stops_s = clock.now() + lasts_s
        return caller

    def _stop(self, caller: Caller, now_s: float) -> None:
        caller.stop(now_s + LAST_FINAL_WITHIN_S)
        self._leaving.append(caller)


def _book(cell: Cell, caller: Caller, took_s: float) -> None:
    """Note in the interval in which a try began what came of it."""
    cell.arrived += 1
    upgraded = caller.upgraded
    failure = upgraded.exception() if upgraded.done() and not upgraded.cancelled() else TimeoutError()
    if isinstance(failure, RefusedError):
        cell.refused += 1
        cell.refusals.observe(took_s)
    elif failure is not None:
        cell.lost += 1
