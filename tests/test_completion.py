"""Waiting for the end of cancelled tasks, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.clock import run_virtual, virtual_now

from earful.completion import AGAIN_S, cancelled


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
