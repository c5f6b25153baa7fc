"""Runs plain model objects: their calls side by side, one task per call, at most the model's `concurrency`.

Every work is answered once and by its deadline, and nothing an object does touches another session's
work. The engine owns one; seats call `enqueue`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from earful.engine.answers import check_answer
from earful.engine.leftovers import Leftovers
from earful.errors import ErrorCode
from earful.models.types import TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from earful.engine.call import Call, Lane
    from earful.engine.tally import Tally
    from earful.models.base import ASRModel
    from earful.models.loading import LoadedModel

_NOTHING = TranscriptResult("", is_final=False)


class Calls:
    """A plain model's runner."""

    def __init__(self, model: LoadedModel, *, timeout_s: float, clock: Callable[[], float], tally: Tally) -> None:
        """Give each work `timeout_s` from the moment its call starts, in the seconds of `clock`."""
        self.leftovers = Leftovers(timeout_s=timeout_s, on_gone=self._start_waiting, on_error=tally.on_error)
        self._model = model
        self._timeout_s = timeout_s
        self._clock = clock
        self._tally = tally
        self._places: int | None = None
        self._attempts = 1
        # In order of starting, so that a sweep stops at the first call that still has time.
        self._running: dict[Call, None] = {}
        # A plain dict would look for its first key in linear time once many before it were taken.
        self._waiting: OrderedDict[Call, None] = OrderedDict()

    @property
    def places(self) -> int | None:
        """How many calls run side by side; None without a limit."""
        return self._places

    @property
    def in_flight(self) -> int:
        """Works with the model now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Works waiting for one of the model's places."""
        return len(self._waiting)

    @property
    def orphans(self) -> int:
        """Calls that were cancelled and have not ended yet."""
        return self.leftovers.orphans

    async def load(self) -> None:
        """Load the model, and take over its limits. Raises ModelLoadError."""
        await self._model.load()
        self._places = self._model.concurrency
        self._attempts = 2 if self._model.retry_safe else 1

    def enqueue(self, call: Call) -> None:
        """Start `call`, or let it wait behind those that came before."""
        if self._places is None or (not self._waiting and self._has_place()):
            self._start(call)
        else:
            self._waiting[call] = None

    def leave(self, lanes: Iterable[Lane]) -> None:
        """Cancel what these lanes are doing and close their objects."""
        for lane in lanes:
            call = lane.call
            if call is not None:
                self._abandon(call)
            self.leftovers.retire(lane, after=None if call is None else call.task)

    def sweep(self, now: float) -> None:
        """Answer the works past their deadline with MODEL_TIMEOUT and go on without their objects."""
        self.leftovers.give_up()
        for call in self._overdue(now):
            if not call.settled:  # Delivering an earlier one may have closed this one's seat.
                self._time_out(call, now)
        self._start_waiting()

    def close(self) -> None:
        """Nothing is left to do: every seat has left before, and with it all calls."""

    async def wait(self, within_s: float) -> None:
        """Wait at most `within_s` for what was left behind."""
        await self.leftovers.wait(within_s)

    def _has_place(self) -> bool:
        return self._places is None or len(self._running) + self.leftovers.places < self._places

    def _start_waiting(self) -> None:
        while self._waiting and self._has_place():
            self._start(self._waiting.popitem(last=False)[0])

    def _start(self, call: Call) -> None:
        self._tally.calls += 1
        call.since_s = self._clock()
        self._running[call] = None
        # Not loop.create_task: an eager task factory would run the call, and its delivery, inside submit.
        call.task = asyncio.Task(self._run(call), loop=asyncio.get_running_loop(), name="model call")

    async def _run(self, call: Call) -> None:
        work = call.work
        result: TranscriptResult | None = _NOTHING
        failed = False
        if work.pcm:
            result = await self._ask(call, work.pcm)
            failed = result is None
        if work.end:
            result = await self._ask(call, None)
            failed = failed or result is None
        self._settle(call)
        if self._waiting:
            # Before the delivery, which may submit again: that work goes behind those already waiting.
            self._start_waiting()
        self._tally.answer(call, result, ErrorCode.MODEL_FAILED if failed else None, self._clock() - call.since_s)

    async def _ask(self, call: Call, pcm: bytes | None) -> TranscriptResult | None:
        """Have the model hear `pcm`, or finalize for None. None where it failed: its object is then gone."""
        lane = call.lane
        for _ in range(self._attempts):
            try:
                model = lane.model if lane.opened else None
                if model is None:
                    model = await self._furnish(lane)
                answer = check_answer(await (model.finalize() if pcm is None else model.transcribe_chunk(pcm)))
            except BaseException as error:  # noqa: BLE001 - user code: sys.exit() and panics of extensions too
                self._blame(call, error)
            else:
                if call.settled:  # The model swallowed its cancellation.
                    raise asyncio.CancelledError
                return answer
        self._tally.replaced += 1
        self.leftovers.retire(lane)
        return None

    async def _furnish(self, lane: Lane) -> ASRModel:
        # In the lane before it is opened, so that whoever cancels this call finds it there and closes it.
        model = self._model.create() if lane.model is None else lane.model
        lane.model = model
        open_ = getattr(model, "open", None)
        if open_ is not None:
            await open_(lane.info)
        lane.opened = True
        return model

    def _blame(self, call: Call, error: BaseException) -> None:
        """Note `error` as the model's failure, or raise where it is none."""
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise error
        if call.settled or (isinstance(error, asyncio.CancelledError) and _is_cancelled(call.task)):
            raise asyncio.CancelledError
        self._tally.raised(call, error)

    def _settle(self, call: Call) -> None:
        call.settled = True
        call.lane.call = None
        self._running.pop(call, None)

    def _overdue(self, now: float) -> list[Call]:
        overdue = []
        for call in self._running:
            if now - call.since_s < self._timeout_s:
                break
            overdue.append(call)
        return overdue

    def _time_out(self, call: Call, now: float) -> None:
        self._tally.replaced += 1
        call.lane.given_up = True
        self._abandon(call)
        self.leftovers.retire(call.lane, after=call.task)
        self._tally.answer(call, None, ErrorCode.MODEL_TIMEOUT, now - call.since_s)

    def _abandon(self, call: Call) -> None:
        self._settle(call)
        self._waiting.pop(call, None)
        if call.task is not None:
            self.leftovers.cancel(call.task)


def _is_cancelled(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.cancelling() > 0
