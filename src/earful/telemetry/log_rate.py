"""How many lines of one event may be written in a second: what anybody can cause must not push out the rest.

Guarantees that the first ones of each second are written, and that the others are counted and told, event by event.
`open_log` asks it before a line is rendered, of our own events and of foreign loggers' alike; by any thread.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.telemetry.log_level import Level

MOST = 50
"""Lines of one event that no session caused: anybody may, without being let in."""
MOST_OF_SESSIONS = 1000
"""Lines of one event of sessions and uploads, of which there are only so many places."""
_WINDOW_S = 1.0


class Kind(NamedTuple):
    """Lines that are counted together: of one event, a phrase or a place of the code, so that there are few."""

    level: Level
    event: str


class LogRate:
    """Counts the lines of each kind, by the second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was written yet; `clock` is in seconds."""
        self._clock = clock
        self._since_s = -math.inf
        self._counts: dict[Kind, int] = {}
        self._left_out: dict[Kind, int] = {}
        """In this second ..."""
        self._untold: dict[Kind, int] = {}
        """... and in those that are over."""
        # Reentrant: a signal's handler may log in the middle of a line.
        self._lock = threading.RLock()

    def admits(self, kind: Kind, most: int) -> bool:
        """Whether one more line of this kind is among the first `most` of its second; counts it where it is not."""
        with self._lock:
            self._turn()
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            if count > most:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return count <= most

    def take(self, *, is_last: bool = False) -> dict[Kind, int]:
        """How many lines of each kind were left out in seconds that are over, each told once; `is_last`: in all."""
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
            for kind, count in self._left_out.items():
                self._untold[kind] = self._untold.get(kind, 0) + count
            self._left_out.clear()
