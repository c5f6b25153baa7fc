"""An event loop whose time jumps: `run_virtual` runs hours of timers in milliseconds, and nothing sleeps.

When no callback is ready, time moves to the next timer at once. It fails the test on a deadlock, on tasks
left behind and on errors nobody retrieved. For in-process code; a real socket is polled, never waited for: what one
sends to another of the same loop is there at once.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_THREAD_PATIENCE_S = 10.0
_STRANGER_PATIENCE_S = 2.0
"""For a thread started past the loop, of which it knows nothing until it calls."""
_ROUNDS_TO_END = 20


class StuckError(AssertionError):
    """Nothing can ever happen again in the loop, or it never comes to an end."""


class LeftBehindError(AssertionError):
    """A test left tasks or errors behind."""


class JumpingSelector(selectors.DefaultSelector):
    """Waits for real only while a thread is at work; otherwise it moves the clock and returns."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.now_s = 0.0
        self.threads = 0
        self._limit_s = limit_s

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Answer what is ready; where nothing is, let virtual time pass until the loop's next timer."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.threads or timeout is None:
            return self._wait_for_thread()
        self.now_s += timeout
        if self.now_s > self._limit_s:
            raise StuckError(f"still running after {self._limit_s} virtual seconds")
        return ready

    def _wait_for_thread(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Virtual time stands still while a thread works: what it does takes no virtual time."""
        ready = super().select(_THREAD_PATIENCE_S if self.threads else _STRANGER_PATIENCE_S)
        if not ready:
            raise StuckError("deadlock: nothing is ready, no timer is set, and no thread has woken the loop")
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual seconds, from 0; `time()` is the clock to hand to what is tested."""

    def __init__(self, limit_s: float = 86_400.0) -> None:
        self.jumping_selector = JumpingSelector(limit_s)
        super().__init__(self.jumping_selector)
        self.unhandled: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))

    @override
    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.jumping_selector.now_s

    @override
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As ever, and virtual time waits until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.jumping_selector.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    @override
    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Join the threads in real time, however long they may take."""
        self.jumping_selector.threads += 1
        await super().shutdown_default_executor()
        self.jumping_selector.threads -= 1

    def _thread_done(self, _: object) -> None:
        self.jumping_selector.threads -= 1


def run_virtual(main: Coroutine[Any, Any, T], *, limit_s: float = 86_400.0) -> T:
    """Run `main` on virtual time and return what it returns.

    Raises AssertionError where tasks are left when it returns (they get a few rounds of the loop to end, and
    no time), where a callback or a forgotten task failed, or where it is not done after `limit_s`.
    """
    gc.freeze()  # What was there before is left out of the collection below, or it would take 30 ms each time.
    try:
        return run_on(JumpingLoop(limit_s), main, collect=True)
    finally:
        gc.unfreeze()


def run_on(loop: JumpingLoop, main: Coroutine[Any, Any, T], *, collect: bool = False) -> T:
    """Run `main` on this loop, as `run_virtual` does; without `collect` an error of a forgotten task may be missed."""
    with asyncio.Runner(loop_factory=lambda: loop, debug=False) as runner:
        result = runner.run(_guarded(main))
        if collect:
            gc.collect()  # A forgotten task tells of its error when it is collected.
    if loop.unhandled:
        raise LeftBehindError(f"errors nobody took: {loop.unhandled}")
    return result


async def settle(rounds: int = _ROUNDS_TO_END) -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def virtual_now() -> float:
    """Virtual seconds, for code that takes a clock; only inside `run_virtual`."""
    return asyncio.get_running_loop().time()


def hold_up(seconds: float) -> None:
    """Let so much virtual time pass while the loop stands still; only inside `run_virtual`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.jumping_selector.now_s += seconds


async def _guarded(main: Coroutine[Any, Any, T]) -> T:
    result = await main
    for _ in range(_ROUNDS_TO_END):
        if not _others():
            break
        await asyncio.sleep(0)
    if _others():
        raise LeftBehindError(f"tasks left: {_others()}")
    return result


def _others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}
