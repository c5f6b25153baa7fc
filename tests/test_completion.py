"""Waiting for the end of calls and of cancelled tasks, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.clock import run_virtual, settle, virtual_now

from earful.completion import AGAIN_S, cancelled, completed


async def deaf(times: int) -> None:
    """Go on as if nothing had been, so many times."""
    for _ in range(times):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(3600)


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_task_that_swallows_it_is_cancelled_again(times: int) -> None:
    """Until it has ended; one that obeys ends at once."""

    async def main() -> None:
        tasks = {asyncio.create_task(deaf(times)), asyncio.create_task(deaf(0))}
        await asyncio.sleep(0)
        began = virtual_now()
        assert await cancelled(tasks, 2.0)
        assert virtual_now() - began == pytest.approx(times * AGAIN_S)
        assert all(task.cancelled() for task in tasks)

    run_virtual(main())


def test_nobody_waits_for_ever() -> None:
    """Nor for nobody."""

    async def main() -> None:
        task = asyncio.create_task(deaf(10))
        await asyncio.sleep(0)
        began = virtual_now()
        assert not await cancelled([task], 1.0)
        assert virtual_now() - began == pytest.approx(1.0)
        assert await cancelled([], 1.0)
        assert await cancelled([task], 10.0)

    run_virtual(main())


@pytest.mark.parametrize("gives_up", [False, True])
def test_who_is_cancelled_waits_for_the_end(gives_up: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """Which may be asked to come soon."""

    async def main() -> None:
        over = asyncio.Event()
        task = asyncio.create_task(completed(over.wait(), over.set if gives_up else None))
        await settle()
        task.cancel()
        await settle()
        assert gives_up is task.done()
        over.set()
        await asyncio.wait({task})
        assert task.cancelled()

    run_virtual(main())


def test_a_second_cancellation_is_obeyed() -> None:
    """It comes with the end of the process, which waits for no call that never returns."""

    async def main() -> None:
        call = asyncio.create_task(asyncio.sleep(3600))
        task = asyncio.create_task(completed(call))
        for _ in range(2):
            await settle()
            assert not task.done()
            task.cancel()
        await asyncio.wait({task})
        assert (True, False) == (task.cancelled(), call.done())
        call.cancel()

    run_virtual(main())
