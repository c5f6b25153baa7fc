"""One measured step: so many streams connect, speak on schedule, are answered, and leave.

Guarantees that every wait ends, and figures of whatever was measured, also where it is cancelled. Run by
`run`, one after another.
"""

from __future__ import annotations

import asyncio
import gc
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.chorus import Chorus
from earful.bench.figures import Beside, Figures, Quantiles, Trouble
from earful.bench.handshakes import Handshakes
from earful.bench.ledger import Latencies, Ledger
from earful.bench.peer import leave_together
from earful.bench.plan import CannotMeasureError
from earful.bench.stream import Stream
from earful.bench.tally import Tally
from earful.bench.voice import Turns, Voice
from earful.bench.window import Look, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.bench.crowd import Crowd
    from earful.bench.dialer import Dialer
    from earful.bench.plan import Plan
    from earful.bench.process import ProcessTree, Usage
    from earful.bench.recording import Recording

_HEAD_START_S = 0.05


class Step:
    """A step of `plan.streams` beside a crowd, if there is one; `tree` is the server's, where it is looked at."""

    def __init__(
        self, plan: Plan, recording: Recording, dialer: Dialer, *, crowd: Crowd | None, tree: ProcessTree | None
    ) -> None:
        """Begin inside a running loop, with nobody connected."""
        self._plan = plan
        self._recording = recording
        self._dialer = dialer
        self._crowd = crowd
        self._tree = tree
        self._tally = Tally()
        self._ledger = Ledger(plan.window, plan.chunk_s)
        self._streams = [self._stream(number) for number in range(plan.streams)]
        self._late = Latencies()
        self._handshakes = Handshakes(plan.connect_rate, dialer) if plan.connect_rate else None
        self._connect_s = 0.0
        self._window_begin: Look | None = None
        self._window_end: Look | None = None

    async def measure(self) -> None:
        """Do all of it; raises CannotMeasureError where nobody connects, or all are lost before the window.

        What is still owed to a step that is cancelled counts neither as answered nor as not.
        """
        try:
            await self._connect()
            with _without_collector():
                async with asyncio.TaskGroup() as tasks:
                    await self._speak(tasks)
            self._close_accounts()
        finally:
            await leave_together(self._streams)
        if self._window_begin is None:
            raise CannotMeasureError(f"All streams ended before the measuring began: {self._tally.sentence()}.")

    def figures(self, before: Usage | None) -> Figures | None:
        """What was measured; None where nothing was. `before` is what the server used with nobody connected."""
        if self._window_begin is None or self._window_end is None:
            return None
        plan, window = self._plan, Window(self._window_begin, self._window_end)
        return Figures(
            streams=plan.streams,
            chunk_ms=plan.chunk_ms,
            seconds=window.seconds,
            connect_s=self._connect_s,
            chunks_per_s=window.chunks_per_s,
            answers_per_s=window.answers_per_s,
            spoken=self._ledger.expected,
            latency=Quantiles.of(self._ledger.latencies),
            generator_late=Quantiles.of(self._late),
            most_late_ms=plan.most_late_ms,
            trouble=Trouble.of(self._tally),
            idle=self._idle(),
            handshakes=self._shaken(),
            server=window.server(before),
        )

    def _stream(self, number: int) -> Stream:
        plan = self._plan
        turns = Turns(number, plan.duty, plan.chunk_ms) if plan.duty < 1 else None
        voice = Voice(self._recording, number, turns)
        return Stream(self._dialer.request, self._tally, voice, opts_in=plan.start)

    async def _connect(self) -> None:
        began_s = clock.now()
        await self._dialer.dial_all(self._streams)
        self._connect_s = clock.now() - began_s

    async def _speak(self, tasks: asyncio.TaskGroup) -> None:
        """Speak through warm-up and window, then until what the window's chunks are owed is here, if it comes."""
        chorus = Chorus([stream for stream in self._streams if stream.is_open], self._plan.chunk_ms, self._recording)
        chorus.begin(clock.now() + _HEAD_START_S, self._ledger)
        window = self._plan.window
        await self._speak_chunks(chorus, range(window.start), chorus.is_connected)
        if not chorus.is_connected():
            return
        self._open_window(chorus, tasks)
        try:
            await self._speak_chunks(chorus, window, chorus.is_connected)
        finally:
            self._window_end = self._look(chorus)
            self._late = chorus.take_late()
        # The load goes on: an answer that is late must not come sooner because everybody has fallen silent.
        more = range(window.stop, window.stop + math.ceil(self._plan.answer_within_s / self._plan.chunk_s))
        await self._speak_chunks(chorus, more, chorus.is_owed)

    @staticmethod
    async def _speak_chunks(chorus: Chorus, chunks: range, goes_on: Callable[[], bool]) -> None:
        for chunk in chunks:
            if not goes_on():
                return
            await chorus.speak(chunk)

    def _open_window(self, chorus: Chorus, tasks: asyncio.TaskGroup) -> None:
        chorus.take_late()
        self._window_begin = self._look(chorus)
        if self._handshakes is not None:
            tasks.create_task(self._handshakes.run(self._plan.seconds))

    def _look(self, chorus: Chorus) -> Look:
        usage = self._tree.look() if self._tree else None
        idle = 0 if self._crowd is None else len(self._crowd)
        sessions = sum(stream.is_open for stream in self._streams) + idle
        return Look(clock.now(), chorus.sent, self._tally.answers, usage, sessions)

    def _close_accounts(self) -> None:
        for stream in self._streams:
            if stream.account is not None:
                stream.account.close()

    def _idle(self) -> Beside | None:
        crowd = self._crowd
        return None if crowd is None else Beside(number=len(crowd), trouble=Trouble.of(crowd.tally))

    def _shaken(self) -> Beside | None:
        shaken = self._handshakes
        if shaken is None:
            return None
        return Beside(
            number=shaken.rate_per_s, trouble=Trouble.of(shaken.tally), latency=Quantiles.of(shaken.latencies)
        )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from stopping the clock: nothing here makes cycles that grow with time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
