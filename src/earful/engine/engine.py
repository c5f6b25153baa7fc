"""The one place that runs models. A facade: it seats sessions, and one of three runners does the work.

Each work is answered once and by its deadline, and nothing a model does ends the worker or touches
another session's work. `app` builds it, the registry's sweep calls `sweep`, sessions sit on a `Seat`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from earful.engine.batches import Batches
from earful.engine.calls import Calls
from earful.engine.processes import Processes
from earful.engine.seat import Seat
from earful.engine.tally import OnAnswer, OnBatch, OnCall, OnError, Tally
from earful.models.types import MODEL_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from earful.engine.call import Lane
    from earful.engine.pool import ProcessRules
    from earful.models.inference import Inference
    from earful.models.loading import LoadedModel
    from earful.models.types import SessionInfo

_BYTES_PER_S = 2 * MODEL_RATE_HZ


class Engine:
    """Runs one model, plain or batch, for all sessions of a worker.

    `sweep` must be called every 250 ms or so: it alone sees deadlines. `enqueue` is the runner's, for seats.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        on_call: OnCall | None = None,
        on_error: OnError | None = None,
        on_batch: OnBatch | None = None,
        on_answer: OnAnswer | None = None,
        processes: ProcessRules | None = None,
    ) -> None:
        """Give each call or batch `timeout_s` from the moment it starts, in the seconds of `clock`.

        With `processes` the model runs in processes of its own.
        """
        self._loaded = False
        self._closed = False
        self._timeout_s = timeout_s
        self._tally = Tally(on_call=on_call, on_error=on_error, on_batch=on_batch, on_answer=on_answer)
        self._runner: Batches | Calls | Processes
        self.processes: Processes | None = None
        """The runner, where it is this one."""
        if processes is None:
            runner = Batches if model.is_batch else Calls
            self._runner = runner(model, timeout_s=timeout_s, clock=clock, tally=self._tally)
        else:
            self._runner = self.processes = Processes(
                model, processes, timeout_s=timeout_s, clock=clock, tally=self._tally
            )
        self._model = model
        self._threads: Inference | None = None
        self._seats: set[Seat] = set()
        self.enqueue = self._runner.enqueue

    @property
    def ready(self) -> bool:
        """Whether works are taken: the model is loaded, in one living process at least where it has its own."""
        return self._loaded and not self._closed and (self.processes is None or self.processes.pool.alive > 0)

    @property
    def calls(self) -> int:
        """Works given to the model since the start."""
        return self._tally.calls

    @property
    def failures(self) -> int:
        """Works that failed since the start, timeouts too."""
        return self._tally.failures

    @property
    def timeouts(self) -> int:
        """Works given up past their deadline since the start."""
        return self._tally.timeouts

    @property
    def replaced(self) -> int:
        """How often a session lost its model object, or a batch model's memory of it, to a failure."""
        return self._tally.replaced

    @property
    def busy_s(self) -> float:
        """Time that the model computed, where it says in which threads; else that calls took which went well."""
        return self._tally.busy_s if self._threads is None else self._threads.busy_s

    @property
    def heard_s(self) -> float:
        """Audio in the calls that went well."""
        return self._tally.heard_bytes / _BYTES_PER_S

    @property
    def places(self) -> int | None:
        """How many calls of the model compute side by side; None where there is no limit, or calls are steps."""
        return self._runner.places if self._threads is None else self._threads.threads

    @property
    def in_flight(self) -> int:
        """Works with the model now."""
        return self._runner.in_flight

    @property
    def waiting(self) -> int:
        """Works waiting for one of the model's `concurrency` places."""
        return self._runner.waiting

    @property
    def orphans(self) -> int:
        """Calls and batches that were cancelled and have not ended yet."""
        return self._runner.orphans

    async def load(self) -> None:
        """Load the model, then be `ready`; raises ModelLoadError."""
        await self._runner.load()
        if self.processes is None:
            self._threads = self._model.inference
        self._loaded = True

    def seat(self, info: SessionInfo) -> Seat:
        """Make a place for a session; a closed one once the engine is closed."""
        seat = Seat(self, info, closed=self._closed)
        if not self._closed:
            self._seats.add(seat)
        return seat

    def sweep(self, now: float) -> None:
        """Answer the works past their deadline at `now`, in the clock's seconds, with MODEL_TIMEOUT."""
        self._runner.sweep(now)

    async def close(self, within_s: float | None = None) -> None:
        """Close all seats and wait for what they leave behind, at most `within_s` (default: `timeout_s`)."""
        self._closed = True
        for seat in tuple(self._seats):
            seat.close()
        self._runner.close()
        await self._runner.wait(self._timeout_s if within_s is None else within_s)

    def leave(self, seat: Seat, lanes: Iterable[Lane]) -> None:
        """Forget `seat`, and let its lanes go. For seats."""
        self._seats.discard(seat)
        self._runner.leave(lanes)
