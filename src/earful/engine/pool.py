"""Keeps as many processes of a model alive as there should be: starts them, follows the dead, replaces the grown.

Guarantees that each is loaded before works come to it, that one which grew too large is replaced before it ends, and
that none outlives the pool. What they hear is `processes.py`'s, which owns one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from earful.backoff import Backoff
from earful.engine.messages import Answer, Begin, FromProcess, Raised, Ready, Unfit
from earful.engine.model_process import ModelProcess
from earful.models.loading import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.models.loading import LoadedModel

LOAD_WITHIN_S = 600.0
LEAVE_WITHIN_S = 60.0
"""How long one that grew too large may take to end what it has begun; then that is run again elsewhere."""
WEIGH_EVERY_S = 1.0
CAUSES = ("died", "hung", "too_large", "garbage", "not_loaded", "not_ready", "not_started")
"""Of a process' end."""
FAR_TOO_LARGE = 1.5
"""Times the limit, and nothing is waited for."""
_LAST_WAIT_S = 1.0
_LOOK_AT_ENDS_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class ProcessRules:
    """How many processes, and how large one may grow; 0 is any size."""

    number: int
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that is followed: why and how it ended, how many open utterances it had, when another starts."""

    pid: int
    cause: str
    utterances: int
    retry_in_s: float
    error: str = ""
    """Why it could not load the model, or not be started; empty where it could."""
    how: str = ""
    """Its exit code, or the signal that ended it; empty where it was not started."""


class Crew(Protocol):
    """Who gives the processes their works."""

    def joined(self, process: ModelProcess) -> None:
        """This one takes works from now on."""

    def answered(self, process: ModelProcess, answer: Answer) -> None:
        """This one has heard what it was asked."""

    def raised(self, message: Raised) -> None:
        """A model raised."""

    def lost(self, process: ModelProcess) -> None:
        """This one is gone, and with it all it had heard."""


class Pool:
    """The processes of one model."""

    def __init__(
        self, model: LoadedModel, rules: ProcessRules, crew: Crew, *, timeout_s: float, clock: Callable[[], float]
    ) -> None:
        """Empty; each model call may take `timeout_s`, in the seconds of `clock`."""
        self.ends: Counter[str] = Counter()
        """By cause, since the start."""
        self.on_ended: Callable[[Ended], None] | None = None
        """Hears of each process that is followed, when the system has let it go."""
        self.number = rules.number
        self.processes: list[ModelProcess] = []
        self._model = model
        self._rules = rules
        self._crew = crew
        self._timeout_s = timeout_s
        self._clock = clock
        self._ending: dict[ModelProcess, Ended | None] = {}
        """Killed, or left to themselves, until the system has let them go; and what is to be told of one then."""
        self._starting: set[asyncio.Task[None]] = set()
        self._backoff = Backoff()
        self._restart_at = 0.0
        self._weigh_at = 0.0
        self._opened: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def alive(self) -> int:
        """Processes that take works now."""
        return sum(process.is_ready for process in self.processes)

    async def load(self) -> None:
        """Start all processes; done when each has loaded the model. Raises ModelLoadError for the first that cannot."""
        self._opened = asyncio.get_running_loop().create_future()
        self._fill()
        try:
            await self._opened
        except BaseException:
            self.close()
            raise

    def sweep(self, now: float) -> None:
        """End those that did not load in time or grew too large, and follow those that ended."""
        self._look_at_ends()
        is_weighing = self._rules.max_bytes > 0 and now >= self._weigh_at
        if is_weighing:
            self._weigh_at = now + WEIGH_EVERY_S
        for process in tuple(self.processes):
            if not process.was_ready and now - process.started_s >= LOAD_WITHIN_S:
                process.kill("not_ready")
            if is_weighing and process.is_ready:
                self._weigh(process, now)
            if process.is_leaving:
                self._let_go(process, now)
        self._fill()

    def close(self) -> None:
        """Let all processes end by themselves."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        for process in self.processes:
            process.leave()
        self._ending |= dict.fromkeys(self.processes)
        self.processes = []

    async def wait(self, within_s: float) -> None:
        """Wait at most `within_s` for the processes to end; those that have not are killed."""
        if self._starting:
            await asyncio.wait(self._starting, timeout=within_s)
        await self._reap(within_s)
        for process in self._ending:
            process.kill("closed")
        await self._reap(_LAST_WAIT_S)

    async def _reap(self, within_s: float) -> None:
        end_s = asyncio.get_running_loop().time() + within_s
        while self._ending and asyncio.get_running_loop().time() < end_s:
            self._look_at_ends()
            await asyncio.sleep(_LOOK_AT_ENDS_EVERY_S)

    def _fill(self) -> None:
        """Start as many processes as there should be; one that leaves counts no more."""
        now = self._clock()
        missing = self.number - sum(not process.is_leaving for process in self.processes)
        if missing <= 0 or now < self._restart_at or self._closed:
            return
        for process in [ModelProcess(self._said, self._lose, now) for _ in range(missing)]:
            self.processes.append(process)
            task = asyncio.get_running_loop().create_task(self._start(process), name="start model process")
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, process: ModelProcess) -> None:
        try:
            await process.open()
        except OSError as error:
            process.cause, process.error = "not_started", str(error)
            self._lose(process)
        else:
            process.say([Begin(self._model.name, self._model.options, self._timeout_s)])

    def _said(self, process: ModelProcess, message: FromProcess) -> None:
        if isinstance(message, Answer):
            self._crew.answered(process, message)
        elif isinstance(message, Raised):
            self._crew.raised(message)
        elif isinstance(message, Unfit):
            self._refuse(process, message.text)
        elif 0 < self._rules.max_bytes <= process.resident_bytes():
            name = self._model.name
            self._refuse(process, f'The model "{name}" takes more than model_process_max_mb when it is loaded.')
        else:
            self._admit(process, message)

    def _admit(self, process: ModelProcess, ready: Ready) -> None:
        process.is_ready = process.was_ready = True
        process.max_batch = ready.max_batch if self._model.is_batch else 1
        self._crew.joined(process)
        if self._opened is not None and not self._opened.done() and self.alive == self.number:
            self._opened.set_result(None)

    def _refuse(self, process: ModelProcess, why: str) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(ModelLoadError(why))
        process.error = why
        process.kill("not_loaded")

    def _lose(self, process: ModelProcess) -> None:
        """A process has ended: another takes its place."""
        if self._closed:
            return
        self.processes.remove(process)
        if self._opened is not None and not self._opened.done():
            name = self._model.name
            self._opened.set_exception(ModelLoadError(f'The model "{name}" ended its process while it loaded.'))
        self._count(process)
        self._fill()
        self._crew.lost(process)

    def _count(self, process: ModelProcess) -> None:
        now = self._clock()
        self.ends[process.cause] += 1
        delay_s = self._backoff.delay_s(now - process.started_s, was_ready=process.was_ready)
        self._restart_at = now + delay_s
        utterances = sum(kept.audio_bytes > 0 for kept in process.lanes)
        self._ending[process] = Ended(process.pid, process.cause, utterances, delay_s, process.error)

    def _look_at_ends(self) -> None:
        """Forget those that the system has let go, and tell of them: only then it says how they ended."""
        for process, ended in tuple(self._ending.items()):
            if process.has_ended():
                del self._ending[process]
                if ended is not None and self.on_ended is not None:
                    self.on_ended(replace(ended, how=process.how))

    def _weigh(self, process: ModelProcess, now: float) -> None:
        size = process.resident_bytes() / self._rules.max_bytes
        if size >= FAR_TOO_LARGE:
            process.kill("too_large")
        elif size >= 1 and not process.is_leaving:
            process.is_leaving, process.leave_by_s = True, now + LEAVE_WITHIN_S

    def _let_go(self, process: ModelProcess, now: float) -> None:
        """End one that grew too large, when another is there and it has nothing more to do, or does not come to it."""
        if (self.alive > 1 and process.is_idle) or now >= process.leave_by_s:
            process.kill("too_large")
