"""Token buckets by name, of tenants or addresses, as many as there is room for. Pure.

Guarantees that whoever makes names up costs no more than the room there is: the bucket that was asked for longest ago
makes way, and is full when it comes back.
"""

from __future__ import annotations

from collections import OrderedDict

from earful.store.bucket import Bucket

MOST_BUCKETS = 10_000


class Buckets:
    """One second's worth at once in each, then as many a second as its rate."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        """Hold `most` buckets."""
        self._most = most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._buckets)

    def has_room(self, name: str, rate_per_s: float, now: float) -> bool:
        """Whether one more may come under this name; a new rate holds from now on."""
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = Bucket(rate_per_s, now)
            if len(self._buckets) >= self._most:
                self._buckets.popitem(last=False)
        self._buckets[name] = bucket
        return bucket.left(rate_per_s, now) >= 1

    def take(self, name: str, rate_per_s: float, now: float) -> bool:
        """The same as `has_room`, but counts one that may come."""
        if not self.has_room(name, rate_per_s, now):
            return False
        self._buckets[name].draw(1, rate_per_s, now)
        return True

    def give_back(self, name: str) -> None:
        """Whoever was counted under this name last did not come after all."""
        bucket = self._buckets.get(name)
        if bucket is not None:
            bucket.forget()

    def settle(self, name: str, left: float, now: float) -> None:
        """So much is left under this name, says somebody who knows of more than was taken here."""
        if name in self._buckets:
            self._buckets[name].settle(left, now)
