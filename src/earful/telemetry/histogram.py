"""A histogram of seconds that costs a fraction of a microsecond to add to, and can be subtracted.

Guarantees that a snapshot taken from a later one gives what was observed between the two.
Used by `metrics.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY_BOUNDS_S = tuple(
    ms / 1000
    for ms in (5, 10, 20, 30, 50, 60, 70, 80, 90, 95, 100, 105, 110, 125, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)
)
"""Fine around 100 ms, where the promise lies: 95 ms and 105 ms must not look alike."""


class Histogram:
    """Counts of observed seconds between fixed upper bounds (inclusive), and their sum."""

    __slots__ = ("bounds_s", "counts", "total_s")

    def __init__(self, bounds_s: Sequence[float] = LATENCY_BOUNDS_S) -> None:
        """Take ascending upper bounds, in seconds; what lies above the last has a bucket of its own."""
        self.bounds_s = tuple(bounds_s)
        self.counts = [0] * (len(self.bounds_s) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        # Not `bisect`: compiled, this is a tenth of what its call costs.
        bounds_s, low, high = self.bounds_s, 0, len(self.bounds_s)
        while low < high:
            middle = (low + high) // 2
            if bounds_s[middle] < seconds:
                low = middle + 1
            else:
                high = middle
        self.counts[low] += 1
        self.total_s += seconds

    def snapshot(self) -> Distribution:
        """What was observed until now."""
        return Distribution(self.bounds_s, tuple(self.counts), self.total_s)


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram had observed at one moment, or between two."""

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    total_s: float

    def since(self, earlier: Distribution) -> Distribution:
        """What came after `earlier`, a snapshot of the same histogram."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Distribution(self.bounds_s, counts, self.total_s - earlier.total_s)

    def plus(self, other: Distribution) -> Distribution:
        """Both together; this one alone where the other's bounds differ, as those of another release may."""
        if self.bounds_s != other.bounds_s:
            return self
        counts = tuple(own + others for own, others in zip(self.counts, other.counts, strict=True))
        return Distribution(self.bounds_s, counts, self.total_s + other.total_s)

    @property
    def count(self) -> int:
        """How many durations."""
        return sum(self.counts)

    def mean_ms(self) -> float:
        """The average in ms; 0 where there is nothing."""
        return self.total_s * 1000 / self.count if self.count else 0.0

    def quantile_ms(self, share: float) -> float:
        """The duration in ms that `share` (0 to 1) of all do not exceed, interpolated inside its bucket.

        0 where there is nothing; the last bound where it lies above.
        """
        wanted = share * self.count
        low_s, below = 0.0, 0
        for bound_s, count in zip(self.bounds_s, self.counts, strict=False):
            if count and below + count >= wanted:
                return (low_s + (bound_s - low_s) * (wanted - below) / count) * 1000
            low_s, below = bound_s, below + count
        return low_s * 1000 if self.count else 0.0
