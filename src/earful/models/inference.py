"""Threads for a runtime's blocking calls, so that the event loop goes on. An adapter makes one when it loads.

Guarantees order: calls start in the order in which they were asked for. It holds at most the calls that the engine
has in flight, one a lane. The threads end with it, and are daemons: a call that never returns keeps no process from
ending.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from earful.completion import completed

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_Calls: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]"


class Inference:
    """`threads` threads and what they owe."""

    def __init__(self, threads: int = 1) -> None:
        """Start them; raises ValueError where there would be none."""
        if threads < 1:
            raise ValueError("threads must be 1 or more")
        self.threads = threads
        self._spent_s = [0.0] * threads
        self._calls: _Calls = SimpleQueue()
        self._owed: set[Future[Any]] = set()
        for nth in range(threads):
            Thread(target=_work, args=(self._calls, self._spent_s, nth), name=f"inference-{nth}", daemon=True).start()
        weakref.finalize(self, _end, self._calls, threads)

    @property
    def is_busy(self) -> bool:
        """Whether a call would have to wait. What nobody waits for should not be asked for then."""
        return len(self._owed) >= self.threads

    @property
    def busy_s(self) -> float:
        """Time that all threads together have spent in calls that have ended, since the start."""
        return sum(self._spent_s)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Give what `function` returns or raises. A cancelled call that has begun goes on, its result thrown away."""
        call: Future[T] = Future()
        self._owed.add(call)
        call.add_done_callback(self._owed.discard)  # In the thread, where it ran: one step under the GIL.
        self._calls.put((call, partial(function, *args, **kwargs)))
        return await asyncio.wrap_future(call)

    async def complete(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function`, and end only when it has ended, cancelled or not: two of a batch model's must not meet."""
        return await completed(self.run(function, *args, **kwargs))


def _work(calls: _Calls, spent_s: list[float], nth: int) -> None:
    """One thread's life: it does not know the `Inference` that it is of, so that it ends with it."""
    while (asked := calls.get()) is not None:
        call, function = asked
        if call.set_running_or_notify_cancel():
            _settle(call, partial(_timed, function, spent_s, nth))
        del asked, call, function  # Or the last call's audio and result would stay until the next.


def _timed(function: Callable[[], T], spent_s: list[float], nth: int) -> T:
    """Call it; counted before anybody is answered, and in a sum of the thread's own: no two write the same."""
    began_s = time.perf_counter()
    try:
        return function()
    finally:
        spent_s[nth] += time.perf_counter() - began_s


def _end(calls: _Calls, threads: int) -> None:
    for _ in range(threads):
        calls.put(None)


def _settle(call: Future[Any], function: Callable[[], Any]) -> None:
    try:
        result = function()
    except StopIteration as error:
        failure = RuntimeError("the model raised StopIteration")
        failure.__cause__ = error
        call.set_exception(failure)  # asyncio's futures refuse the original, and nobody would be answered.
    except BaseException as error:  # noqa: BLE001 - whatever a runtime raises belongs to the one who waits
        call.set_exception(error)
    else:
        call.set_result(result)
