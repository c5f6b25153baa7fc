"""Runs a batch model: works gather while the model is busy, one task per batch, each item's failure its own.

No waiting window: where a place is free, what is handed in during one turn of the event loop goes together.
Every work is answered once and by its batch's deadline. The engine owns one; seats call `enqueue`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from earful.engine.answers import BadAnswerError, check_answer, check_answers
from earful.engine.batch import Batch
from earful.engine.batching import take_batch
from earful.engine.leftovers import Leftovers
from earful.errors import ErrorCode
from earful.models.types import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from earful.engine.call import Call, Lane
    from earful.engine.tally import Tally
    from earful.models.base import BatchModel
    from earful.models.loading import LoadedModel


class Batches:
    """A batch model's runner."""

    def __init__(self, model: LoadedModel, *, timeout_s: float, clock: Callable[[], float], tally: Tally) -> None:
        """Give each batch `timeout_s` from its start, in the seconds of `clock`."""
        self.in_flight = 0
        self.leftovers = Leftovers(timeout_s=timeout_s, on_gone=self._wake, on_error=tally.on_error)
        self._loaded = model
        self._model: BatchModel | None = None
        self._timeout_s = timeout_s
        self._clock = clock
        self._tally = tally
        self._places: int | None = 0
        self._max_batch: int | None = None
        self._retries = False
        self._ready: deque[Call] = deque()
        self._flushing = False
        # In order of starting, so that a sweep stops at the first batch that still has time.
        self._running: dict[Batch, None] = {}

    @property
    def places(self) -> None:
        """Unknown: a step of many costs less than many of one, so what one costs says nothing of what fits."""
        return

    @property
    def waiting(self) -> int:
        """Works waiting for the next batch."""
        return len(self._ready)

    @property
    def orphans(self) -> int:
        """Batches that were cancelled and have not ended yet."""
        return self.leftovers.orphans

    async def load(self) -> None:
        """Load the model and take it over; what was handed in before starts then. Raises ModelLoadError."""
        await self._loaded.load()
        self._places = self._loaded.concurrency
        self._max_batch = self._loaded.max_batch
        self._retries = self._loaded.retry_safe
        self._model = self._loaded.shared()
        self._wake()

    def enqueue(self, call: Call) -> None:
        """Let `call` join the next batch."""
        call.since_s = self._clock()
        self._ready.append(call)
        if not self._flushing:
            self._wake()

    def leave(self, lanes: Iterable[Lane]) -> None:
        """Forget what these lanes have with the model: waiting works go, results are thrown away."""
        for lane in lanes:
            if lane.call is not None:
                self._drop(lane.call)

    def sweep(self, now: float) -> None:
        """Answer the batches past their deadline with MODEL_TIMEOUT and go on without them."""
        self.leftovers.give_up()
        overdue = []
        for batch in self._running:
            if now - batch.started_s < self._timeout_s:
                break
            overdue.append(batch)
        for batch in overdue:
            self._time_out(batch, now)
        self._start_ready()

    def close(self) -> None:
        """Cancel what runs for nobody any more; every seat has left before."""
        for batch in tuple(self._running):
            self._abandon(batch)

    async def wait(self, within_s: float) -> None:
        """Wait at most `within_s` for what was left behind."""
        await self.leftovers.wait(within_s)

    def _free(self) -> int | None:
        """Places for batches now; None where there is no limit."""
        if self._places is None:
            return None
        return max(0, self._places - len(self._running) - self.leftovers.places)

    def _wake(self) -> None:
        """Start what waits at the end of this turn of the loop: until then more may join it."""
        if self._ready and not self._flushing and self._free() != 0:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._start_ready)

    def _start_ready(self) -> None:
        self._flushing = False
        while self._ready and (calls := take_batch(self._ready, self._free(), self._max_batch)):
            self._start(calls)

    def _start(self, calls: list[Call]) -> None:
        size = len(calls)
        self.in_flight += size
        self._tally.calls += size
        batch = Batch(calls, self._clock())
        for call in calls:
            call.batch = batch
        self._running[batch] = None
        # Not loop.create_task: an eager task factory would run the step inside whatever called this.
        batch.task = asyncio.Task(self._run(batch), loop=asyncio.get_running_loop(), name="model batch")

    async def _run(self, batch: Batch) -> None:
        """Have the batch heard and answered; what raised is halved and heard again, where that is allowed.

        Halving finds the one work that makes a step raise in few steps, and it fails alone. A loop on a stack
        rather than a function that calls itself: each coroutine more costs every batch half a microsecond.
        """
        model = self._model
        if model is None:
            raise AssertionError("no batch starts before the model is loaded")
        # A suspect had its second chance when it became one: more would be at the cost of the others.
        to_hear = [(batch.calls, self._retries and not batch.calls[0].alone)]
        while to_hear:
            calls, may_retry = to_hear.pop()
            # A tuple, for the model has it too: of one that it had taken from nobody would know whose answers they are.
            steps = tuple([Step(call.work.pcm, call.work.end, call.lane.info, call.lane.memory) for call in calls])
            answers: Sequence[object] = ()
            try:
                answers = check_answers(await model.step(steps), len(steps))
            except BaseException as error:  # noqa: BLE001 - user code: sys.exit() and panics of extensions too
                self._blame(batch, calls, error)
                may_retry = may_retry and not isinstance(error, BadAnswerError)
            if batch.abandoned:  # The model swallowed its cancellation.
                raise asyncio.CancelledError
            if answers:
                self._answer(batch, calls, steps, answers)
            elif may_retry:
                to_hear += _halves(calls)
            else:
                self._fail(batch, calls)
            if to_hear:
                to_hear = _unsettled(to_hear)
        self._end(batch)
        self._wake()

    def _blame(self, batch: Batch, calls: list[Call], error: BaseException) -> None:
        """Note `error` as the model's failure, or raise where it is none."""
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise error
        cancelled = isinstance(error, asyncio.CancelledError) and batch.task is not None and batch.task.cancelling() > 0
        if batch.abandoned or cancelled:
            raise asyncio.CancelledError
        self._tally.raised(calls[0], error)

    def _answer(self, batch: Batch, calls: list[Call], steps: Sequence[Step], answers: Sequence[object]) -> None:
        """Deliver in order. A delivery may close any seat, and may hand in what comes next."""
        if calls is batch.calls:
            self._end(batch)  # The model is free: what the deliveries hand in is the next batch.
        model_s = self._clock() - batch.started_s
        tally = self._tally
        for call, step, answer in zip(calls, steps, answers, strict=True):
            if call.settled:
                continue
            try:
                result = check_answer(answer)
            except BadAnswerError as error:
                tally.raised(call, answer if isinstance(answer, Exception) else error)
                self._fail_one(batch, call, model_s)
                continue
            lane = call.lane
            lane.memory = step.memory
            lane.suspect = False
            self._settle(batch, call)
            tally.answer(call, result, None, model_s)

    def _fail(self, batch: Batch, calls: list[Call]) -> None:
        if calls is batch.calls:
            self._end(batch)
        model_s = self._clock() - batch.started_s
        for call in calls:
            if not call.settled:
                # One that raised though it was alone would do it to the others next time.
                call.lane.suspect = self._retries and len(calls) == 1
                self._fail_one(batch, call, model_s)

    def _fail_one(self, batch: Batch, call: Call, model_s: float) -> None:
        call.lane.memory = None
        self._tally.replaced += 1
        self._settle(batch, call)
        self._tally.answer(call, None, ErrorCode.MODEL_FAILED, model_s)

    def _time_out(self, batch: Batch, now: float) -> None:
        self._abandon(batch)
        for call in batch.calls:
            if not call.settled:
                call.lane.given_up = True
                self._tally.replaced += 1
                self._settle(batch, call)
                self._tally.answer(call, None, ErrorCode.MODEL_TIMEOUT, now - batch.started_s)

    def _settle(self, batch: Batch, call: Call) -> None:
        call.settled = True
        call.lane.call = None
        call.batch = None  # A ring of batch and calls would keep the session until the collector comes.
        batch.wanted -= 1
        self.in_flight -= 1

    def _drop(self, call: Call) -> None:
        """The session of `call` is gone."""
        batch = call.batch
        if batch is not None:
            self._settle(batch, call)
            # Where places are counted the step keeps its own to its end: stopping it could let two overlap.
            if batch.wanted == 0 and self._places is None and batch in self._running:
                self._abandon(batch)
            return
        call.settled = True
        call.lane.call = None
        self._ready.remove(call)  # Linear, but rare, and nothing of a session that has gone is held.

    def _abandon(self, batch: Batch) -> None:
        batch.abandoned = True
        self._end(batch)
        if batch.task is not None:
            self.leftovers.cancel(batch.task)

    def _end(self, batch: Batch) -> None:
        """Free the batch's place, once."""
        if batch in self._running:
            del self._running[batch]
            oldest_wait_s = batch.started_s - batch.calls[0].since_s
            self._tally.batch_ended(len(batch.calls), oldest_wait_s, self._clock() - batch.started_s)


def _halves(calls: list[Call]) -> list[tuple[list[Call], bool]]:
    """What to hear again, the older half last as it is taken first; a single work once more, and no more often."""
    middle = len(calls) // 2
    return [(some, len(some) > 1) for some in (calls[middle:], calls[:middle]) if some]


def _unsettled(groups: list[tuple[list[Call], bool]]) -> list[tuple[list[Call], bool]]:
    """The same without works whose sessions have gone meanwhile."""
    wanted = [([call for call in calls if not call.settled], may_retry) for calls, may_retry in groups]
    return [(calls, may_retry) for calls, may_retry in wanted if calls]
