"""One outage of a session: when to try again, and when no more. Pure: time and chance are arguments.

Guarantees waits by the schedule with full jitter, never shorter than the server asked for, and an end
when the window is over. Called by `Client`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from earful.client.losses import Advice

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.client.losses import Loss

BACKOFF_MS = (10, 50, 250, 500, 1000, 2000, 5000)
"""The longest wait before each try; the last one goes on."""

ANEW_MS = 1000
"""The spread of those who all have to begin again at once."""

STEADY = 1 / 12
"""Of its window: an outage is over where a connection has stood for so long, though nothing was left to be said."""


class Outage:
    """From the first drop until the session moves on again, or a connection has stood for a while.

    A connection that is lost before it brought anything new belongs to the same outage.
    """

    def __init__(self, window_s: float, now: float, random: Callable[[], float]) -> None:
        """`random` gives 0 to 1 as `random.random` does; the window is counted from `now`."""
        self._ends = now + window_s
        self._tries = 0
        self._random = random

    def next_wait_s(self, loss: Loss, now: float) -> float:
        """How long to wait before the next try; infinity where the window ends before it."""
        wait_s = self._drawn_s(loss.advice) + loss.retry_after_s
        self._tries += 1
        return wait_s if now + wait_s < self._ends else math.inf

    def _drawn_s(self, advice: Advice) -> float:
        if advice is Advice.RESUME_AT_ONCE and self._tries == 0:
            return 0.0
        longest_ms = BACKOFF_MS[min(self._tries, len(BACKOFF_MS) - 1)]
        if advice is Advice.START_ANEW:
            longest_ms = max(longest_ms, ANEW_MS)
        return self._random() * longest_ms / 1000
