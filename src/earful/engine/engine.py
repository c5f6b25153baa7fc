"""The one place that runs models: plain model objects, their calls side by side, one task per call.

Each work is answered once and by its deadline, and nothing a model does ends the worker or touches
another session's work. `app` builds it, the registry's sweep calls `sweep`, sessions sit on a `Seat`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from earful.engine.answers import check_answer
from earful.engine.leftovers import Leftovers, OnError
from earful.engine.seat import Seat
from earful.errors import ErrorCode
from earful.models.types import Outcome, SessionInfo, TranscriptResult

if TYPE_CHECKING:
    from earful.engine.call import Call, Lane
    from earful.models.base import ASRModel
    from earful.models.loading import LoadedModel

OnCall = Callable[[float, ErrorCode | None], None]
"""Told of each finished work: the model's seconds, and what failed if something did."""

_NOTHING = TranscriptResult("", is_final=False)


class Engine:
    """Runs one model for all sessions of a worker.

    `sweep` must be called every 250 ms or so: it alone sees deadlines. Counters since the start: `calls`
    begun, `failures` (timeouts too), `timeouts`, `replaced` model objects; now: `in_flight`, `waiting`,
    `orphans`.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        on_call: OnCall | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """Give each work `timeout_s` from the moment its call starts, in the seconds of `clock`."""
        self.ready = False
        self.calls = 0
        self.failures = 0
        self.timeouts = 0
        self.replaced = 0
        self._closed = False
        self._model = model
        self._timeout_s = timeout_s
        self._clock = clock
        self._on_call = on_call
        self._on_error = on_error
        self._places: int | None = None
        self._attempts = 1
        self._seats: set[Seat] = set()
        # In order of starting, so that a sweep stops at the first call that still has time.
        self._running: dict[Call, None] = {}
        # A plain dict would look for its first key in linear time once many before it were taken.
        self._waiting: OrderedDict[Call, None] = OrderedDict()
        self._leftovers = Leftovers(timeout_s=timeout_s, on_gone=self._start_waiting, on_error=on_error)

    @property
    def in_flight(self) -> int:
        """Works with the model now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Works waiting for one of the model's `concurrency` places."""
        return len(self._waiting)

    @property
    def orphans(self) -> int:
        """Calls that were cancelled and have not ended yet."""
        return self._leftovers.orphans

    async def load(self) -> None:
        """Load the model, then be `ready`; raises ModelLoadError."""
        await self._model.load()
        self._places = self._model.concurrency
        self._attempts = 2 if self._model.retry_safe else 1
        self.ready = not self._closed

    def seat(self, info: SessionInfo) -> Seat:
        """Make a place for a session; a closed one once the engine is closed."""
        seat = Seat(self, info, closed=self._closed)
        if not self._closed:
            self._seats.add(seat)
        return seat

    def sweep(self, now: float) -> None:
        """Answer the works past their deadline at `now`, in the clock's seconds, with MODEL_TIMEOUT."""
        self._leftovers.give_up()
        for call in self._overdue(now):
            if not call.settled:  # Delivering an earlier one may have closed this one's seat.
                self._time_out(call, now)
        self._start_waiting()

    async def close(self, within_s: float | None = None) -> None:
        """Close all seats and wait for what they leave behind, at most `within_s` (default: `timeout_s`)."""
        self.ready = False
        self._closed = True
        for seat in tuple(self._seats):
            seat.close()
        await self._leftovers.wait(self._timeout_s if within_s is None else within_s)

    def enqueue(self, call: Call) -> None:
        """Start `call`, or let it wait behind those that came before. For seats."""
        if self._places is None or (not self._waiting and self._has_place()):
            self._start(call)
        else:
            self._waiting[call] = None

    def leave(self, seat: Seat, lanes: Iterable[Lane]) -> None:
        """Forget `seat`, cancel what its lanes are doing and close their objects. For seats."""
        self._seats.discard(seat)
        for lane in lanes:
            call = lane.call
            if call is not None:
                self._abandon(call)
            self._leftovers.retire(lane, after=None if call is None else call.task)

    def _has_place(self) -> bool:
        return self._places is None or len(self._running) + self._leftovers.places < self._places

    def _start_waiting(self) -> None:
        while self._waiting and self._has_place():
            self._start(self._waiting.popitem(last=False)[0])

    def _start(self, call: Call) -> None:
        self.calls += 1
        call.started_s = self._clock()
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
        # Before the delivery, which may submit again: that work goes behind those already waiting.
        self._start_waiting()
        self._answer(call, result, ErrorCode.MODEL_FAILED if failed else None, self._clock() - call.started_s)

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
        self.replaced += 1
        self._leftovers.retire(lane)
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
        if self._on_error is not None:
            self._on_error(call.lane.info, error)

    def _settle(self, call: Call) -> None:
        call.settled = True
        call.lane.call = None
        self._running.pop(call, None)

    def _answer(self, call: Call, result: TranscriptResult | None, failure: ErrorCode | None, model_s: float) -> None:
        if failure is not None:
            self.failures += 1
        if self._on_call is not None:
            self._on_call(model_s, failure)
        call.deliver(call.work, Outcome(result, failure, model_s))

    def _overdue(self, now: float) -> list[Call]:
        overdue = []
        for call in self._running:
            if now - call.started_s < self._timeout_s:
                break
            overdue.append(call)
        return overdue

    def _time_out(self, call: Call, now: float) -> None:
        self.timeouts += 1
        self.replaced += 1
        call.lane.given_up = True
        self._abandon(call)
        self._leftovers.retire(call.lane, after=call.task)
        self._answer(call, None, ErrorCode.MODEL_TIMEOUT, now - call.started_s)

    def _abandon(self, call: Call) -> None:
        self._settle(call)
        self._waiting.pop(call, None)
        if call.task is not None:
            self._leftovers.cancel(call.task)


def _is_cancelled(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.cancelling() > 0
