"""Runs a model in processes of its own, which may crash, hang or grow, without losing what they had heard.

Open utterances are run again elsewhere from the audio that is kept of them; one that ends two processes fails alone.
Every work is answered once, within `timeout_s` and a grace of each try. The engine owns one; seats call `enqueue`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from earful.engine.answers import BadAnswerError, check_answer
from earful.engine.batch import Batch
from earful.engine.batching import take_batch
from earful.engine.kept import Kept
from earful.engine.messages import Answer, Ask, Forget, Raised, ToProcess
from earful.engine.pool import Pool, ProcessRules
from earful.errors import ErrorCode
from earful.models.types import TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from earful.engine.call import Call, Lane
    from earful.engine.model_process import ModelProcess
    from earful.engine.tally import Tally
    from earful.models.loading import LoadedModel

GRACE_S = 1.0
"""A process whose loop turns answers by itself what takes too long; one that does not by then hangs."""


class RaisedInProcessError(Exception):
    """What a model raised in a process of its own: the type's name, and where; never its words."""

    def __init__(self, error: str, places: str) -> None:
        super().__init__(error)
        self.error = error
        self.places = places


class Processes:
    """The runner of a model in processes of its own."""

    def __init__(
        self,
        model: LoadedModel,
        rules: ProcessRules,
        *,
        timeout_s: float,
        clock: Callable[[], float],
        tally: Tally,
    ) -> None:
        """Give each work `timeout_s` from when a process is asked, in the seconds of `clock`."""
        self.pool = Pool(model, rules, self, timeout_s=timeout_s, clock=clock)
        self.replays = 0
        """Utterances run again, since the start."""
        self.kept_bytes = 0
        """Audio of open utterances that is kept now."""
        self._tells_steps = model.is_batch
        self._timeout_s = timeout_s
        self._clock = clock
        self._tally = tally
        self._homeless: deque[Call] = deque()
        """Works that wait for any process."""
        self._lanes = 0
        self._flushing = False

    @property
    def places(self) -> int | None:
        """How many calls run side by side; None where they are steps, of which that says nothing."""
        return None if self._tells_steps else self.pool.number

    @property
    def in_flight(self) -> int:
        """Works that a process hears now."""
        return sum(len(process.asked) for process in self.pool.processes)

    @property
    def waiting(self) -> int:
        """Works that wait for a process."""
        return len(self._homeless) + sum(len(process.ready) for process in self.pool.processes)

    @property
    def orphans(self) -> int:
        """What was given up is ended with its process."""
        return 0

    async def load(self) -> None:
        """Load the model in each process. Raises ModelLoadError."""
        await self.pool.load()

    def enqueue(self, call: Call) -> None:
        """Let `call` wait for the process that has heard its utterance so far, or for the least busy one."""
        call.since_s = self._clock()
        self._give_out(call)
        self._wake()

    def leave(self, lanes: Iterable[Lane]) -> None:
        """Forget these lanes; what a process hears for them it hears to its end, and nobody is told."""
        for lane in lanes:
            if lane.memory is None:
                continue
            kept = self._kept(lane)
            self._end_utterance(kept)
            call, lane.call, lane.memory = lane.call, None, None
            process = self._process_of(kept)
            if call is not None:
                call.settled = True
                if call.batch is None:
                    (self._homeless if process is None else process.ready).remove(call)
            if process is not None:
                process.lanes.discard(kept)
                if kept.lane not in process.asked:
                    process.say([Forget(kept.lane)])

    def sweep(self, now: float) -> None:
        """End what hangs, and answer with MODEL_TIMEOUT what it was asked, or what waits too long for any process."""
        for process in tuple(self.pool.processes):
            if process.batch is not None and now - process.batch.started_s >= self._timeout_s + GRACE_S:
                self._stop(process)
        self.pool.sweep(now)
        while self._homeless and now - self._homeless[0].since_s >= self._timeout_s:
            self._give_up(self._homeless.popleft(), ErrorCode.MODEL_TIMEOUT)

    def close(self) -> None:
        """Let all processes end; every seat has left before."""
        self.pool.close()

    async def wait(self, within_s: float) -> None:
        """Wait at most `within_s` for the processes to end; those that have not are killed."""
        await self.pool.wait(within_s)

    def joined(self, process: ModelProcess) -> None:
        """Give out what has waited for any process, some of it to this one."""
        del process
        waiting, self._homeless = self._homeless, deque()
        for call in waiting:
            self._give_out(call)
        self._wake()

    def answered(self, process: ModelProcess, answer: Answer) -> None:
        """Deliver an answer. A process that was not asked for it is ended."""
        call = process.asked.pop(answer.lane, None)
        if call is None or process.batch is None:
            process.kill("garbage")
            return
        batch = process.batch
        if not process.asked:
            self._end_step(process, batch)
        if call.settled:
            process.say([Forget(answer.lane)])
        else:
            self._deliver(call, answer, self._clock() - batch.started_s)

    def raised(self, message: Raised) -> None:
        """Pass on what a model raised."""
        if self._tally.on_error is not None:
            self._tally.on_error(message.session, RaisedInProcessError(message.error, message.places))

    def lost(self, process: ModelProcess) -> None:
        """Have heard elsewhere what it heard; what ended one process too many fails."""
        for kept in process.lanes:
            kept.lose()
        for call in self._move_on(process):
            if not call.settled:  # Delivering an earlier one may have closed this one's seat.
                self._tally.raised(call, RaisedInProcessError(f"process {process.cause}", ""))
                self._give_up(call, ErrorCode.MODEL_FAILED)

    def _give_out(self, call: Call) -> None:
        process = self._place(self._kept(call.lane))
        (self._homeless if process is None else process.ready).append(call)

    def _kept(self, lane: Lane) -> Kept:
        kept: Kept | None = lane.memory
        if kept is None:
            self._lanes += 1
            kept = lane.memory = Kept(self._lanes)
        return kept

    def _process_of(self, kept: Kept) -> ModelProcess | None:
        return next((process for process in self.pool.processes if kept in process.lanes), None)

    def _place(self, kept: Kept) -> ModelProcess | None:
        """The process of this utterance; between two of them, or where there is none, the one with the fewest."""
        own = self._process_of(kept)
        if own is not None and not own.is_ready:
            own.lanes.discard(kept)
            kept.lose()
            own = None
        free = [process for process in self.pool.processes if process.is_ready]
        least = min(free, key=lambda process: (process.is_leaving, len(process.lanes)), default=None)
        if own is not None:
            if least is None or kept.audio_bytes or not _is_better(least, own):
                return own
            own.lanes.discard(kept)
            own.say([Forget(kept.lane)])
        if least is not None:
            least.lanes.add(kept)
        return least

    def _wake(self) -> None:
        """Ask at the end of this turn of the loop: until then more works may join a step."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        for process in tuple(self.pool.processes):
            if process.is_ready and process.batch is None and process.ready:
                self._ask(process, take_batch(process.ready, 1, process.max_batch))

    def _ask(self, process: ModelProcess, calls: list[Call]) -> None:
        process.batch = batch = Batch(calls, self._clock())
        self._tally.calls += len(calls)
        asks: list[ToProcess] = []
        for call in calls:
            kept, work = self._kept(call.lane), call.work
            call.batch = batch
            process.asked[kept.lane] = call
            self.replays += kept.is_lost
            asks.append(Ask(kept.lane, kept.to_hear(work.pcm), work.end, call.lane.info))
        process.say(asks)

    def _deliver(self, call: Call, answer: Answer, model_s: float) -> None:
        result, failure = answer.result, answer.failure
        if result is not None or failure is None:
            try:
                check_answer(result)
            except BadAnswerError as error:
                self._tally.raised(call, error)
                result, failure = None, ErrorCode.MODEL_FAILED
        kept = self._kept(call.lane)
        if failure is not None:
            self._tally.replaced += 1
        if failure is not None or result is None or call.work.end:
            self._end_utterance(kept)
        else:
            result = TranscriptResult(self._heard(kept, call.work.pcm, result.text), result.is_final, result.words)
        self._settle(call)
        self._tally.answer(call, result, failure, model_s)

    def _heard(self, kept: Kept, pcm: bytes, text: str) -> str:
        self.kept_bytes += len(pcm)
        return kept.heard(pcm, text)

    def _end_utterance(self, kept: Kept) -> None:
        self.kept_bytes -= kept.audio_bytes
        kept.end()

    def _settle(self, call: Call) -> None:
        call.settled = True
        call.lane.call = call.batch = None

    def _give_up(self, call: Call, failure: ErrorCode) -> None:
        """Fail what no process has answered; the utterance goes on without what it had so far."""
        self._end_utterance(self._kept(call.lane))
        self._tally.replaced += 1
        self._settle(call)
        self._tally.answer(call, None, failure, self._clock() - call.since_s)

    def _end_step(self, process: ModelProcess, batch: Batch) -> None:
        process.batch = None
        self._wake()
        if self._tells_steps:
            oldest_wait_s = batch.started_s - batch.calls[0].since_s
            self._tally.batch_ended(len(batch.calls), oldest_wait_s, self._clock() - batch.started_s)

    def _stop(self, process: ModelProcess) -> None:
        """End a process that hangs, with what it was asked: of a step nobody knows whose audio it was."""
        late = [call for call in process.asked.values() if not call.settled]
        process.asked = {}
        process.kill("hung")
        for call in late:
            if not call.settled:
                self._give_up(call, ErrorCode.MODEL_TIMEOUT)

    def _move_on(self, process: ModelProcess) -> list[Call]:
        """Have heard elsewhere what it heard, then what waited for it; gives those that ended one process too many."""
        heard = [call for call in process.asked.values() if not call.settled]
        poisonous = []
        for call in heard:
            kept = self._kept(call.lane)
            if kept.blame(alone=len(heard) == 1):
                poisonous.append(call)
            else:
                call.batch, call.alone = None, kept.must_be_alone
                self.enqueue(call)
        for call in process.ready:
            self.enqueue(call)
        return poisonous


def _is_better(other: ModelProcess, own: ModelProcess) -> bool:
    """Whether the next utterance is better heard by another process than by the one that heard the last."""
    return other.is_leaving < own.is_leaving or len(other.lanes) + 1 < len(own.lanes)
