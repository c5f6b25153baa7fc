"""How fast new sessions may begin: a token bucket, in which whoever resumes goes before those who are new. Pure.

A session shows what it costs only after it has begun to speak: a rate bounds what a worker lets in unseen.
"""

from __future__ import annotations


class Arrivals:
    """Lets `rate_per_s` sessions a second begin, one second's worth at once; any number where the rate is 0."""

    __slots__ = ("_rate_per_s", "_refilled_at", "_tokens")

    def __init__(self, rate_per_s: float, now: float) -> None:
        """Begin with a full bucket; `now` in seconds of the clock that all later times come from."""
        self._rate_per_s = rate_per_s
        self._tokens = self._most
        self._refilled_at = now

    def has_room(self, now: float, share: float = 1.0) -> bool:
        """Whether one more may begin, while only this share of the rate may."""
        if not self._rate_per_s:
            return True
        earned = max(0.0, now - self._refilled_at) * self._rate_per_s * share
        self._tokens = min(self._most, self._tokens + earned)
        self._refilled_at = now
        return self._tokens >= 1

    def note(self) -> None:
        """One has begun. Those who resume are let in without asking: who is new waits for them, a second at most."""
        self._tokens = max(-self._most, self._tokens - 1)

    @property
    def _most(self) -> float:
        return max(1.0, self._rate_per_s)
