"""How many lines of one event may be written in a second: what anybody can cause must not push out the rest.

Guarantees that the first ones of each second are written, and that the others are counted and told, event by event.
`open_log` asks it before a line is rendered, of our own events and of foreign loggers' alike; by any thread.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 50
"""Lines of one event that no session caused: anybody may, without being let in."""
MOST_OF_SESSIONS = 1000
"""Lines of one event of sessions and uploads, of which there are only so many places."""
_WINDOW_S = 1.0


class LogRate:
    """Counts the lines of each event, by the second. Events are phrases and places of the code: there are few."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was written yet; `clock` is in seconds."""
        self._clock = clock
        self._since_s = -math.inf
        self._counts: dict[str, int] = {}
        self._left_out: dict[str, int] = {}
        """In this second ..."""
        self._untold: dict[str, int] = {}
        """... and in those that are over."""
        # Reentrant: a signal's handler may log in the middle of a line.
        self._lock = threading.RLock()

    def admits(self, event: str, most: int) -> bool:
        """Whether one more line of this event is among the first `most` of its second; counts it where it is not."""
        with self._lock:
            self._turn()
            count = self._counts[event] = self._counts.get(event, 0) + 1
            if count > most:
                self._left_out[event] = self._left_out.get(event, 0) + 1
            return count <= most

    def take(self, *, is_last: bool = False) -> dict[str, int]:
        """How many lines of each event were left out in seconds that are over, each told once; `is_last`: in all."""
        with self._lock:
            self._turn(is_over=is_last)
            untold, self._untold = self._untold, {}
            return untold

    def _turn(self, *, is_over: bool = False) -> None:
        """Begin a new second where the one before is over."""
        now = self._clock()
        if is_over or now - self._since_s >= _WINDOW_S:
            self._since_s = now
            self._counts.clear()
            for event, count in self._left_out.items():
                self._untold[event] = self._untold.get(event, 0) + count
            self._left_out.clear()
