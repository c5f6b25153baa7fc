"""The watchdog: a thread that tells when the event loop stands still, where it stands, and what the worker holds.

Guarantees one line when a stall is noticed and one when it is over; the same is told when SIGUSR1 asks for it. One
who never lets go of the interpreter's lock delays the lines, not the stacks in them. Kept by `server.py`.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earful.telemetry.stacks import SignalledStacks, as_text, stacks
from earful.telemetry.stall import LOOK_EVERY_S, STALLED_AFTER_S, Stall, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from earful.telemetry.logs import Logger
    from earful.telemetry.stacks import Places

CLOSE_WITHIN_S = 1.0
MAX_TASK_NAMES = 20
ALARM_S = STALLED_AFTER_S / 2
"""Of the processor's time between two looks; on a busy machine that is more of the clock's."""


class Watchdog:
    """Watches one event loop from `open` to `close`; whoever runs on it calls `moved`, four times a second or so."""

    def __init__(
        self,
        log: Logger,
        state: Callable[[], Mapping[str, object]],
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Watch nothing yet. `state` says what the worker holds; another thread than the loop's asks it."""
        self._log = log
        self._state = state
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._moved_at = clock()
        self._stall = Stall(self._moved_at, cpu_clock())
        self._asked = SignalledStacks(signal.SIGUSR1)
        self._overdue = SignalledStacks(signal.SIGPROF)
        self._has_alarm = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def open(self) -> None:
        """Watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._clock()
        self._stall = Stall(self._moved_at, self._cpu_clock())
        self._set_alarm()
        self._thread.start()

    def close(self) -> None:
        """Watch no more; may be called again, and without `open`."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)

    def moved(self, now: float) -> None:
        """The loop came round, at `now` of the clock."""
        self._moved_at = now

    @contextmanager
    def answering_signals(self) -> Iterator[None]:
        """Have SIGUSR1 tell stacks and state while the scope lasts; closes at its end."""
        with self._asked.listening(), self._overdue.listening():
            self._has_alarm = True
            try:
                yield
            finally:
                self.close()
                signal.setitimer(signal.ITIMER_PROF, 0)

    def look(self) -> None:
        """Tell what there is to tell now; what the thread does, again and again."""
        self._set_alarm()
        turn = self._stall.look(self._clock(), self._cpu_clock(), self._moved_at)
        overdue = self._overdue.take_now()
        lasted_s = round(self._stall.lasted_s, 1)
        if turn is Turn.BEGAN:
            self._log.error("event loop stalled", stalled_s=lasted_s, **self._told(overdue or stacks()))
        elif turn is Turn.ENDED:
            self._log.warning("event loop moves again", stalled_s=lasted_s)
        self._answer()

    def _set_alarm(self) -> None:
        """It rings where nobody can set it anew in time while somebody computes; never in a stopped process."""
        if self._has_alarm:
            signal.setitimer(signal.ITIMER_PROF, ALARM_S)

    def _answer(self) -> None:
        asked = self._asked.take()
        if asked is not None:
            stood_s = round(self._stall.stood_s, 1) if self._stall.is_on else 0.0
            self._log.warning("state asked for", stalled_s=stood_s, **self._told(asked))

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            self.look()

    def _told(self, places: Places) -> dict[str, object]:
        return {**self._state(), "tasks": tasks_by_name(self._loop), "traceback": as_text(places)}


def tasks_by_name(loop: asyncio.AbstractEventLoop | None) -> str:
    """How many tasks of a loop have each name, the commonest first; those that nobody named by what they run."""
    if loop is None:
        return ""
    counts = Counter(map(_name_of, asyncio.all_tasks(loop))).most_common(MAX_TASK_NAMES)
    return ", ".join(f"{name} {number}" for name, number in counts)


def _name_of(task: asyncio.Task[object]) -> str:
    name = task.get_name()
    if not name.startswith("Task-"):
        return name
    return str(getattr(task.get_coro(), "__qualname__", "task"))
