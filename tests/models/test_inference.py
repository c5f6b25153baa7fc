"""Blocking calls in threads: in order, contained, and no two of a batch model's at once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tests.support.clock import run_virtual, settle

from earful.models.inference import Inference


def fail(error: BaseException) -> None:
    """Raise it."""
    raise error


def test_what_is_returned_or_raised_comes_back() -> None:
    """Whatever it is: asyncio takes no StopIteration, and gets it as a RuntimeError."""

    async def main() -> None:
        inference = Inference()
        assert (5, 2) == (await inference.run(max, 3, 5), await inference.complete(len, "ab"))
        for error in (ValueError("no"), SystemExit(3)):
            with pytest.raises(type(error)):
                await inference.run(fail, error)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await inference.run(fail, StopIteration())
        with pytest.raises(ValueError, match="no"):
            await inference.complete(fail, ValueError("no"))
        assert not inference.is_busy

    run_virtual(main())


def compute() -> None:
    """For 10 ms, then fail."""
    until_s = time.perf_counter() + 0.01
    while time.perf_counter() < until_s:
        pass
    raise OSError("worn out")


def test_its_time_is_that_of_its_calls() -> None:
    """Of those that fail too, and none between them."""

    async def main() -> float:
        inference = Inference(2)
        assert 0 == inference.busy_s
        for _ in range(3):
            with pytest.raises(OSError, match="worn out"):
                await inference.run(compute)
        return inference.busy_s

    began_s = time.perf_counter()
    busy_s = run_virtual(main())
    assert 0.03 <= busy_s <= time.perf_counter() - began_s


def test_it_is_busy_while_every_thread_is() -> None:
    """Also with a call whose caller has gone: the thread has not."""

    async def main() -> None:
        gate, begun = threading.Event(), threading.Semaphore(0)

        def wait() -> bool:
            begun.release()
            return gate.wait(30)

        inference = Inference(2)
        calls = [asyncio.create_task(inference.run(wait)) for _ in range(2)]
        busy = [inference.is_busy]
        await settle()
        assert all(begun.acquire(timeout=10) for _ in calls)
        busy.append(inference.is_busy)
        await _cancelled(calls[0])
        busy.append(inference.is_busy)
        gate.set()
        assert await calls[1]
        assert [False, True, True] == busy
        await inference.run(int)  # The first's thread may end later than the second's.

    run_virtual(main())


def test_its_threads_end_with_it() -> None:
    """A model that is let go of leaves none behind."""

    async def main() -> threading.Thread:
        return await Inference().run(threading.current_thread)

    thread = asyncio.run(main())
    thread.join(30)
    assert not thread.is_alive()


def test_what_has_not_begun_is_not_begun() -> None:
    """A cancelled call in the queue is never made."""

    async def main() -> list[str]:
        gate, made = threading.Event(), list[str]()
        inference = Inference()
        first = asyncio.create_task(inference.run(gate.wait, 10))
        second = asyncio.create_task(inference.run(made.append, "second"))
        await settle()
        await _cancelled(second)
        gate.set()
        await first
        await inference.run(made.append, "third")
        return made

    assert ["third"] == run_virtual(main())


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_a_step_ends_when_its_thread_does(error: Exception | None) -> None:
    """A cancellation waits for it, and its failure is not reported as forgotten."""

    async def main() -> None:
        gate, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            gate.wait(30)
            if error is not None:
                raise error

        inference = Inference()
        step = asyncio.create_task(inference.complete(work))
        await asyncio.to_thread(begun.wait, 10)
        step.cancel()
        await settle()
        assert not step.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert not inference.is_busy

    run_virtual(main())


def test_there_is_a_thread() -> None:
    """None would never answer."""
    with pytest.raises(ValueError, match="1 or more"):
        Inference(0)


async def _cancelled(task: asyncio.Task[bool] | asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
