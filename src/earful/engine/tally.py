"""What became of the works: counted, told to the observers, delivered. Both runners answer through it.

Guarantees that an observer hears of each work before its session does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from earful.errors import ErrorCode
from earful.models.types import Outcome, SessionInfo

if TYPE_CHECKING:
    from earful.engine.call import Call
    from earful.models.types import TranscriptResult

OnCall = Callable[[float, ErrorCode | None], None]
"""Told of each finished work: the model's seconds, and what failed if something did."""

OnAnswer = Callable[[str, float, ErrorCode | None], int]
"""Told of some finished works: the id of whose it was, the model's seconds, and what failed. Gives how many are to
pass before it is told again: of each it would cost too much."""

_NEVER = 1 << 60

OnError = Callable[[SessionInfo, BaseException], None]
"""Told whose model raised what (a whole batch: its oldest session): for the log, never for a client."""

OnBatch = Callable[[int, float, float], None]
"""Told of each finished batch: its size, how long its oldest work had waited, how long the model took (seconds)."""


class Tally:
    """Counters since the start, and the observers."""

    def __init__(
        self,
        *,
        on_call: OnCall | None,
        on_error: OnError | None,
        on_batch: OnBatch | None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        """Begin at zero; every observer is optional."""
        self.calls = 0
        self.failures = 0
        self.timeouts = 0
        self.replaced = 0
        self.busy_s = 0.0
        """Of calls that went well: how long they took ..."""
        self.heard_bytes = 0
        """... and the audio in them."""
        self.on_error = on_error
        self._on_call = on_call
        self._on_batch = on_batch
        self._on_answer = on_answer
        self._untold = _NEVER if on_answer is None else 0
        """Works that are to pass before `on_answer` is told of one."""

    def answer(self, call: Call, result: TranscriptResult | None, failure: ErrorCode | None, model_s: float) -> None:
        """Count and deliver what became of `call`. A delivery that raises is told to the loop, and harms no other."""
        if failure is not None:
            self.failures += 1
            self.timeouts += failure is ErrorCode.MODEL_TIMEOUT
        else:
            self.busy_s += model_s
            self.heard_bytes += len(call.work.pcm)
        if self._on_call is not None:
            self._on_call(model_s, failure)
        self._untold -= 1
        if self._untold < 0:
            self._tell_answer(call, failure, model_s)
        try:
            call.deliver(call.work, Outcome(result, failure, model_s))
        except Exception as fault:  # noqa: BLE001 - or the rest of a batch would never be answered
            context = {"message": "a result could not be delivered", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(context)

    def _tell_answer(self, call: Call, failure: ErrorCode | None, model_s: float) -> None:
        self._untold = _NEVER
        if self._on_answer is not None:
            self._untold = self._on_answer(call.lane.info.session_id, model_s, failure)

    def raised(self, call: Call, error: BaseException) -> None:
        """Tell the log what a model raised over `call`."""
        if self.on_error is not None:
            self.on_error(call.lane.info, error)

    def batch_ended(self, size: int, oldest_wait_s: float, step_s: float) -> None:
        """Tell of a batch, whatever became of it."""
        if self._on_batch is not None:
            self._on_batch(size, oldest_wait_s, step_s)
