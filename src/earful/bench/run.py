"""A measurement from beginning to end: one step, or as many as it takes to find what a server holds.

Guarantees that what was measured is in `steps` whatever happens, a cancellation included. Run by the command.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from earful.bench.crowd import Crowd
from earful.bench.dialer import Dialer, make_room
from earful.bench.plan import CannotMeasureError, Plan
from earful.bench.process import ProcessTree
from earful.bench.search import Search
from earful.bench.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from earful.bench.figures import Figures
    from earful.bench.process import Usage
    from earful.bench.recording import Recording

_REST_S = 0.5
"""Between two steps: the server is to have seen that all have left."""
_MOST_RESTS = 60
"""So long a server has to recover from a step that was too much for it."""
_HANDSHAKE_S = 10.0


class Run:
    """What `plan` says, to the server at a ws or wss URL; `tell` is called with each step and the p99 it is to hold."""

    def __init__(
        self,
        url: str,
        plan: Plan,
        recording: Recording,
        tell: Callable[[Figures, float], None],
        is_shedding: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing happens before `measure` or `find`.

        `is_shedding`, asked in a thread, tells whether the server still refuses streams that it could hold.
        """
        self.plan = plan
        self.steps: list[Figures] = []
        self.found: int | None = None
        """The most streams that held so far, 0 where none did; None where that is not looked for."""
        self.url = url
        self._recording = recording
        self._tell = tell
        self._is_shedding = is_shedding

    async def measure(self) -> None:
        """Do one step; raises CannotMeasureError."""
        before = self._usage()
        dialer = await Dialer.find(self.url)
        async with self._crowd(dialer) as crowd:
            await self._step(self.plan.streams, dialer, crowd, before)

    async def find(self) -> None:
        """Do steps until the most streams that hold are known; raises CannotMeasureError.

        One at which the generator was late counts as one that did not hold, and the server is not to blame.
        """
        before = self._usage()
        dialer = await Dialer.find(self.url)
        search = Search(self.plan.streams)
        self.found = 0
        await self._rest()
        async with self._crowd(dialer) as crowd:
            while (streams := search.next()) is not None:
                figures = await self._step(streams, dialer, crowd, before)
                search.judge(streams, held=figures.is_valid and figures.holds(self.plan.p99_ms))
                self.found = search.holds
                await self._rest()

    async def _rest(self) -> None:
        """Wait while the server sheds load from what was before, so that it does not refuse what it could hold."""
        for _ in range(_MOST_RESTS):
            await asyncio.sleep(_REST_S)
            if not await asyncio.to_thread(self._is_shedding):
                return

    async def _step(self, streams: int, dialer: Dialer, crowd: Crowd | None, before: Usage | None) -> Figures:
        plan = replace(self.plan, streams=streams)
        make_room(streams + plan.idle + round(plan.connect_rate * _HANDSHAKE_S))
        step = Step(plan, self._recording, dialer, crowd=crowd, tree=tree_of(self.plan.pid))
        try:
            await step.measure()
        finally:
            figures = step.figures(before)
            if figures is not None:
                self.steps.append(figures)
                self._tell(figures, plan.p99_ms)
        if figures is None:
            raise AssertionError("a step that was measured has figures")
        return figures

    def _crowd(self, dialer: Dialer) -> AbstractAsyncContextManager[Crowd | None]:
        if not self.plan.idle:
            return nullcontext()
        make_room(self.plan.idle)
        return Crowd(self.plan.idle, self._recording, self.plan.chunk_s, dialer).gathered()

    def _usage(self) -> Usage | None:
        tree = tree_of(self.plan.pid)
        return None if tree is None else tree.look()


def tree_of(pid: int | None) -> ProcessTree | None:
    """That of a process, if one is to be looked at; raises CannotMeasureError where there is none."""
    if pid is None:
        return None
    try:
        return ProcessTree(pid)
    except ProcessLookupError:
        raise CannotMeasureError(f"There is no process {pid} on this machine.") from None
