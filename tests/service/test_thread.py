"""Calls in a thread end before their waiters do."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.clock import run_virtual, settle

from earful.service.thread import in_thread


def test_what_the_call_returns_is_given() -> None:
    """With its arguments."""
    assert 5 == run_virtual(in_thread(max, 3, 5))


def test_what_the_call_raises_is_raised() -> None:
    """As it is."""
    with pytest.raises(ZeroDivisionError):
        run_virtual(in_thread(divmod, 1, 0))


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_cancelled_waits_for_the_thread(fails: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """Or a scope would close under it what it still uses; nobody hears of the call's own error."""
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert gate.wait(30)
        if fails:
            raise ValueError("too late")

    async def main() -> tuple[bool, bool]:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await settle()
        ended_early = task.done()
        gate.set()
        await asyncio.wait({task})
        return ended_early, task.cancelled()

    assert (False, True) == run_virtual(main())
