"""The jumping clock itself: time that jumps, in order, and failures that cannot be overlooked."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest
from tests.support import clock
from tests.support.clock import LeftBehindError, StuckError, run_virtual, settle, virtual_now


def test_hours_pass_in_no_time() -> None:
    """Sleeping takes virtual seconds, exactly, and next to no real ones."""

    async def main() -> float:
        await asyncio.sleep(36_000)
        return virtual_now()

    started_s = time.monotonic()
    assert 36_000 == run_virtual(main())
    assert 2 > time.monotonic() - started_s


def test_timers_fire_in_order_of_their_time() -> None:
    """Who is due first comes first, however they were set."""

    async def main() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def note(name: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            seen.append((name, virtual_now()))

        await asyncio.gather(note("c", 3), note("a", 0.25), note("b", 1.5))
        return seen

    assert [("a", 0.25), ("b", 1.5), ("c", 3.0)] == run_virtual(main())


def test_settle_takes_no_time() -> None:
    """Everything ready runs while virtual time stands still."""

    async def main() -> tuple[bool, float]:
        task = asyncio.create_task(asyncio.sleep(0, result=True))
        await settle()
        return task.done(), virtual_now()

    assert (True, 0.0) == run_virtual(main())


def test_timeouts_work() -> None:
    """`asyncio.timeout` sees virtual time."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        return virtual_now()

    assert 5 == run_virtual(main())


def test_a_thread_takes_no_virtual_time() -> None:
    """While a pool's thread works no timer jumps ahead of it."""
    gate = threading.Event()

    async def main() -> tuple[str, float]:
        timer = asyncio.create_task(asyncio.sleep(100))
        asyncio.get_running_loop().call_soon(gate.set)
        await asyncio.to_thread(gate.wait, 5)
        answer = ("thread first", virtual_now())
        timer.cancel()
        return answer

    assert ("thread first", 0.0) == run_virtual(main())


def test_a_task_left_behind_fails() -> None:
    """Whoever starts a task ends it."""

    async def main() -> None:
        _ = asyncio.create_task(asyncio.sleep(100), name="forgotten")  # noqa: RUF006 - forgetting it is the point

    with pytest.raises(LeftBehindError, match="forgotten"):
        run_virtual(main())


def test_a_task_that_is_ending_may_end() -> None:
    """A cancelled task has the rounds it needs."""

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0)
        task.cancel()

    run_virtual(main())


def test_an_error_in_a_callback_fails() -> None:
    """What the loop would only log is an error here."""

    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await settle()

    with pytest.raises(LeftBehindError, match="ZeroDivisionError"):
        run_virtual(main())


def test_an_error_nobody_retrieved_fails() -> None:
    """A task that failed unseen is seen."""

    async def fail() -> None:
        raise OSError

    async def main() -> None:
        task = asyncio.create_task(fail())
        await settle()
        del task

    with pytest.raises(LeftBehindError, match="never retrieved"):
        run_virtual(main())


def test_running_for_ever_fails() -> None:
    """An endless loop of timers ends at the limit."""

    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    with pytest.raises(StuckError, match="still running after 60"):
        run_virtual(main(), limit_s=60)


def test_a_deadlock_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for what can never come ends, with a sentence."""
    monkeypatch.setattr(clock, "_STRANGER_PATIENCE_S", 0.01)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match="deadlock"):
        run_virtual(main())
