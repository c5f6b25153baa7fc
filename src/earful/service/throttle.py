"""A token bucket over a connection's messages: above the rate the socket is read no faster. Pure."""

from __future__ import annotations


class Throttle:
    """Lets `rate_per_s` messages a second pass, one second's worth at once."""

    __slots__ = ("_rate_per_s", "_refilled_at", "_tokens", "is_closed")

    def __init__(self, rate_per_s: float, now: float) -> None:
        """Begin with a full bucket."""
        self._rate_per_s = rate_per_s
        self._tokens = rate_per_s
        self._refilled_at = now
        self.is_closed = False

    def is_closed_by_one_more(self, now: float) -> bool:
        """Count a message; True where it is one too many and reading should pause."""
        self._tokens -= 1
        if self._tokens >= 0:
            return False
        self._refill(now)
        self.is_closed = self._tokens < 0
        return self.is_closed

    def holds(self, now: float) -> bool:
        """Whether reading should still pause."""
        if self.is_closed:
            self._refill(now)
            self.is_closed = self._tokens < 1
        return self.is_closed

    def _refill(self, now: float) -> None:
        earned = (now - self._refilled_at) * self._rate_per_s
        self._tokens = min(self._rate_per_s, self._tokens + earned)
        self._refilled_at = now
