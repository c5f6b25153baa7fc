"""A scenario played to a server, beat by beat, and the timeline of it.

Guarantees that every wait ends, that nobody is left connected, and a timeline of whatever was played, also where
it is cancelled. Run by the command.
"""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.scenario.metronome import Metronome
from earful.bench.scenario.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.bench.plan import Plan
    from earful.bench.process import ProcessTree, Usage
    from earful.bench.recording import Recording
    from earful.bench.scenario.cast import Cast
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.timeline import Cell
    from earful.bench.tally import Tally

_HEAD_START_S = 0.05
_AFTERWARDS_S = 1.0
"""Everybody speaks on for so long at least, so that the last finals are made as all others were."""
_LOOK_EVERY_S = 0.1
_COMING_A_BEAT = 10
_MB = 1 << 20


class Performance:
    """One run of `shape` by a cast; `timeline` is filled meanwhile, and `seconds` tells how much of it was played."""

    def __init__(self, shape: Shape, plan: Plan, recording: Recording, cast: Cast, tree: ProcessTree | None) -> None:
        """Begin with nobody there; `tree` is the server's, where it is looked at."""
        self.shape = shape
        self.timeline = Timeline(clock.now() + _HEAD_START_S, shape.interval_s, shape.seconds)
        self.seconds = 0.0
        self._plan = plan
        self._recording = recording
        self._cast = cast
        self._tree = tree
        self._counted = (0, 0)
        self._chance = random.Random(1)  # noqa: S311 - load that can be repeated, no secret
        self._next_arrival = self._chance.expovariate(1.0)

    @property
    def tally(self) -> Tally:
        """What went wrong until now."""
        return self._cast.tally

    async def play(self) -> None:
        """Do all of it, now."""
        self.timeline.began_s = clock.now() + _HEAD_START_S
        sampling = asyncio.create_task(self._sample())
        is_over = False
        try:
            with _settled_collector():
                await self._keep_time()
            await sampling
            self._count(self.timeline.cells[-1])  # Who was lost while the last answers were awaited.
            is_over = True
        finally:
            sampling.cancel()
            await asyncio.wait([sampling])
            await self._cast.dismiss(early=not is_over)

    async def _keep_time(self) -> None:
        metronome = Metronome(self._plan.chunk_ms, self.timeline.began_s)
        look_s = 0.0
        for beat in count():
            due_s = metronome.due_s(beat)
            await clock.sleep_until(due_s)
            at_s = due_s - self.timeline.began_s
            if at_s >= look_s:
                look_s = at_s + _LOOK_EVERY_S
                self._cast.look(due_s)
                if self._is_over(at_s):
                    return
            if at_s < self.shape.seconds:
                self._attend(at_s, metronome)
            for caller in metronome.take(beat):
                caller.speak(self._recording)
            self._note(due_s)

    def _is_over(self, at_s: float) -> bool:
        afterwards_s = at_s - self.shape.seconds
        if afterwards_s < _AFTERWARDS_S:
            return False
        return afterwards_s >= self._plan.answer_within_s or not self._cast.is_owed()

    def _attend(self, at_s: float, metronome: Metronome) -> None:
        """Let come and go who is to."""
        self.seconds = at_s
        if self.shape.is_open:
            # A Poisson process: whether there is room is not its concern.
            while self.shape.area(at_s) >= self._next_arrival:
                self._next_arrival += self._chance.expovariate(1.0)
                self._cast.send(self.timeline, metronome)
            return
        wanted = round(self.shape.level(at_s))
        for _ in range(min(wanted - self._cast.expected, _COMING_A_BEAT)):
            self._cast.send(self.timeline, metronome)
        self._cast.let_go(self._cast.speaking - wanted, self.timeline.began_s + at_s)

    def _note(self, due_s: float) -> None:
        cell = self.timeline.at(due_s)
        if cell is not None:
            cell.late.observe(clock.now() - due_s)
            cell.streams = self._cast.speaking

    async def _sample(self) -> None:
        """Note at the end of each interval how it stands."""
        before, began_s = self._usage(), self.timeline.began_s
        for nth, cell in enumerate(self.timeline.cells, start=1):
            await clock.sleep_until(began_s + nth * self.timeline.interval_s)
            usage = self._usage()
            if usage is not None and before is not None:
                cell.cpu_pct = 100 * usage.cpu_since(before) / self.timeline.interval_s
                cell.resident_mb = usage.resident_bytes / _MB
            self._count(cell)
            before = usage

    def _count(self, cell: Cell) -> None:
        """Note what went wrong since it was counted last with those who were let in; tries the cast itself notes."""
        tally, before = self._cast.tally, self._counted
        self._counted = (sum(tally.lost.values()), sum(tally.errors.values()))
        cell.lost += self._counted[0] - before[0]
        cell.errors += self._counted[1] - before[1]

    def _usage(self) -> Usage | None:
        return None if self._tree is None else self._tree.look()


@contextmanager
def _settled_collector() -> Iterator[None]:
    """Keep the garbage collector away from what was there before; what comes and goes it may look at."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
