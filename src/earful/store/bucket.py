"""A token bucket that may be drawn from after the fact, so that it can be in debt. Pure.

Guarantees that of what is drawn no more is ever given than the rate, over any time, plus what the bucket holds: a debt
is made good first. The same rule as the script `DRAW` in `scripts.py`; a worker holds its own buckets by it, too.
"""

from __future__ import annotations


class Bucket:
    """Holds one second's worth, but always one; then as many a second as its rate, which is above 0."""

    __slots__ = ("_left", "_rate_per_s", "_seen_at_s")

    def __init__(self, rate_per_s: float, now: float) -> None:
        """Be full; `now` in seconds of the clock that all later times come from."""
        self._rate_per_s = rate_per_s
        self._left = self._most
        self._seen_at_s = now

    def left(self, rate_per_s: float, now: float) -> float:
        """What is in it now; below 0 is debt.

        Another rate holds from now on, and what is in the bucket stays, as far as it has room. It is not filled:
        whoever has two rates, by two keys or while workers come and go, would have no limit.
        """
        earned = max(0.0, now - self._seen_at_s) * self._rate_per_s
        self._left = min(self._most, self._left + earned)
        self._rate_per_s, self._seen_at_s = rate_per_s, now
        self._left = min(self._most, self._left)
        return self._left

    def draw(self, number: int, rate_per_s: float, now: float) -> float:
        """Take so many, below none if need be: what has begun has begun. Gives what is left."""
        self._left = self.left(rate_per_s, now) - number
        return self._left

    def forget(self) -> None:
        """One that was drawn has not begun after all."""
        self._left = min(self._most, self._left + 1)

    def settle(self, left: float, now: float) -> None:
        """Believe somebody who knows better what is left now."""
        self._left, self._seen_at_s = min(self._most, left), now

    @property
    def full_at_s(self) -> float:
        """When it is full if nobody draws; from then on a new bucket is as good."""
        return self._seen_at_s + (self._most - self._left) / self._rate_per_s

    @property
    def _most(self) -> float:
        return max(1.0, self._rate_per_s)
