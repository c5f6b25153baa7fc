"""The watchdog at a loop that really stands still: what it tells, and what it never tells."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING

from tests.support.inside import Record

from earful.telemetry.stall import LOOK_EVERY_S
from earful.telemetry.watchdog import Watchdog, tasks_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def state() -> dict[str, object]:
    """What a worker holds."""
    return {"sessions": 3}


class Times:
    """A clock that goes on by one look each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The next look's time."""
        self.now += LOOK_EVERY_S
        return self.now


def test_a_stall_is_told_with_stacks_and_state() -> None:
    """Twice; in between nothing, however long it lasts."""
    log = Record()
    watchdog = Watchdog(log, state, Times(), lambda: 0.0)
    watchdog.moved(0.5)
    for _ in range(100):
        watchdog.look()
    (stalled,) = log.events
    assert ("error", "event loop stalled", 2.0, 3) == tuple(
        stalled[name] for name in ("level", "event", "stalled_s", "sessions")
    )
    watchdog.moved(26.0)
    watchdog.look()
    assert {"level": "warning", "event": "event loop moves again", "stalled_s": 24.8} == log.events[-1]


def test_it_watches_beside_a_loop_that_is_stuck() -> None:
    """A thread of its own notices; it has ended when the watchdog is closed."""
    log = Record()

    async def main() -> None:
        watchdog = Watchdog(log, state, Times(), lambda: 0.0)
        watchdog.moved(0.1)
        watchdog.open()
        try:
            log.wait_for("event loop stalled")  # Holds the loop, until the other thread has told of it.
        finally:
            watchdog.close()
            watchdog.close()

    asyncio.run(main(), debug=False)
    told = log.wait_for("event loop stalled")
    assert "wait_for" in told["traceback"]
    assert told["tasks"] == "test_it_watches_beside_a_loop_that_is_stuck.<locals>.main 1"
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_a_signal_has_the_state_told() -> None:
    """Once, when all of the stacks are written."""
    log = Record()
    watchdog = Watchdog(log, state, Times(), lambda: 0.0)
    with watchdog.answering_signals():
        signal.raise_signal(signal.SIGUSR1)
        for _ in range(3):
            watchdog.look()
    (told,) = log.events
    assert ("state asked for", 3, 0.0) == (told["event"], told["sessions"], told["stalled_s"])
    assert "test_a_signal_has_the_state_told" in told["traceback"]


def test_tasks_are_counted_by_name() -> None:
    """Those without one by what they run; without a loop there are none."""

    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> str:
        tasks = [asyncio.create_task(wait(), name=name) for name in named()]
        found = tasks_by_name(asyncio.get_running_loop())
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return found

    def named() -> Iterator[str | None]:
        yield from ("claim", "claim", None)

    found = asyncio.run(main())
    assert found.startswith("claim 2, ")
    assert "test_tasks_are_counted_by_name.<locals>.wait 1" in found
    assert "" == tasks_by_name(None)
