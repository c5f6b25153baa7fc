"""How fast each tenant's sessions begin, at all workers together. Pure.

Guarantees that no session waits for the store: this worker's bucket of the tenant decides, and at once the one that all
share is told, whose word then holds here. So of a flood at several workers no more is ahead of the rate than what they
let in during one such turn, and that is made good first. While the store is away each worker keeps to its even share.
Owned by `Tenants`; `presence.py` goes between it and the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.service.buckets import Buckets
from earful.store.values import Draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Rates:
    """The buckets of one worker, and what it has yet to tell of them."""

    def __init__(self) -> None:
        """All are full, and there is nobody to tell."""
        self.on_due: Callable[[], None] = _nobody_is_told
        """Called when there is something to tell."""
        self._buckets = Buckets()
        self._undrawn: dict[str, Draw] = {}
        """What has begun since the last `draws`: as many tenants as began a session during one turn with the store."""
        self._workers = 1
        self._is_shared = False

    def has_room(self, tenant: str, rate_per_s: float, now: float) -> bool:
        """Whether one more session may begin; `rate_per_s` is that of all workers, above 0."""
        return self._buckets.has_room(tenant, self._of_here(rate_per_s), now)

    def take(self, tenant: str, rate_per_s: float, now: float) -> bool:
        """The same as `has_room`, but counts one that may."""
        if not self._buckets.take(tenant, self._of_here(rate_per_s), now):
            return False
        if self._is_shared:
            self._undrawn[tenant] = Draw(tenant, rate_per_s, self._number(tenant) + 1)
            self.on_due()
        return True

    def draws(self) -> tuple[Draw, ...]:
        """What has begun since the last time, to be told now, once: what was not heard is let off."""
        draws = tuple(self._undrawn.values())
        self._undrawn.clear()
        return draws

    def learn(self, draws: Sequence[Draw], left: Sequence[float], now: float) -> None:
        """So much is left after these draws; what has begun meanwhile comes off it."""
        for draw, there in zip(draws, left, strict=True):
            self._buckets.settle(draw.tenant, there - self._number(draw.tenant), now)

    def share(self, workers: int) -> None:
        """The store is there, for so many `workers`: its buckets hold."""
        self._workers = max(1, workers)
        self._is_shared = True

    def cut_off(self) -> None:
        """The store is away: this worker's share of what begins now is nobody else's, and is not told later."""
        self._is_shared = False
        self._undrawn.clear()

    def _of_here(self, rate_per_s: float) -> float:
        return rate_per_s if self._is_shared else rate_per_s / self._workers

    def _number(self, tenant: str) -> int:
        undrawn = self._undrawn.get(tenant)
        return 0 if undrawn is None else undrawn.number


def _nobody_is_told() -> None:
    """Where no workers share a store."""
