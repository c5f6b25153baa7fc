"""Sleeping by the clock: never too short."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from earful.bench.clock import sleep_until


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_nobody_wakes_early(new_loop: object) -> None:
    """On either loop, for times that are no whole milliseconds."""

    async def main() -> None:
        for delay_s in (0.0004, 0.0011, 0.0107):
            due_s = time.perf_counter() + delay_s
            await sleep_until(due_s)
            assert time.perf_counter() >= due_s

    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]  # one of two
        runner.run(main())


def test_who_is_late_lets_others_run_first() -> None:
    """Once: a schedule that is behind must not keep answers from being read."""

    async def main() -> None:
        ran: list[str] = []
        asyncio.get_running_loop().call_soon(ran.append, "other")
        await sleep_until(time.perf_counter() - 1)
        assert ["other"] == ran

    asyncio.run(main())
