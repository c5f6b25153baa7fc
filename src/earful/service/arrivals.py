"""How fast new sessions may begin: a token bucket, in which whoever resumes goes before those who are new. Pure.

A session shows what it costs only after it has begun to speak: a rate bounds what a worker lets in unseen.
"""

from __future__ import annotations

import math

RUSH_S = 1.0
"""How long a rush lasts after the last one for whom there was no room."""


class Arrivals:
    """Lets `rate_per_s` sessions a second begin, one second's worth at once; any number where the rate is 0."""

    __slots__ = ("_rate_per_s", "_refilled_at", "_refused_at", "_tokens")

    def __init__(self, rate_per_s: float, now: float) -> None:
        """Begin with a full bucket; `now` in seconds of the clock that all later times come from."""
        self._rate_per_s = rate_per_s
        self._tokens = self._most
        self._refilled_at = now
        self._refused_at = -math.inf

    def has_room(self, now: float, share: float = 1.0) -> bool:
        """Whether one more may begin, while only this share of the rate may."""
        if not self._rate_per_s:
            return True
        earned = max(0.0, now - self._refilled_at) * self._rate_per_s * share
        self._tokens = min(self._most, self._tokens + earned)
        self._refilled_at = now
        if self._tokens >= 1:
            return True
        self._refused_at = now
        return False

    def is_rush(self, now: float) -> bool:
        """Whether more came a moment ago than may begin, so that most who come now are refused."""
        return now - self._refused_at < RUSH_S

    def note(self) -> None:
        """One has begun. Those who resume are let in without asking: who is new waits for them, a second at most."""
        self._tokens = max(-self._most, self._tokens - 1)

    @property
    def _most(self) -> float:
        return max(1.0, self._rate_per_s)
