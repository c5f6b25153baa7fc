"""The directory on the other side of a network: one worker's way to the shared memory of all.

Calls take effect at some moment between their two ways; while the store is away they fail, now and then after
they have taken effect.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from earful.store.directory import StoreUnavailableError
from earful.store.memory import Hub, MemoryDirectory

if TYPE_CHECKING:
    from tests.support.chance import Chance

    from earful.store.values import Claim, News, Report, Verdict

TIMEOUT_S = 0.25


class Store:
    """What all workers share, and whether it can be reached."""

    def __init__(self, chance: Chance) -> None:
        self.hub = Hub(asyncio.get_running_loop().time)
        self.away_until_s = 0.0
        self._chance = chance

    def go_away(self, seconds: float) -> None:
        """Answer nobody for so long."""
        self.away_until_s = self.hub.clock() + seconds

    def forget(self) -> None:
        """Lose everything, as one that was emptied."""
        hub = self.hub
        hub.desks.clear()
        hub.buckets.clear()
        hub._notes.clear()
        hub._expiries.clear()
        for inbox in hub.inboxes.values():
            inbox.clear()

    async def travel(self) -> None:
        """One way; raises StoreUnavailableError where there is none."""
        if self.hub.clock() < self.away_until_s:
            await asyncio.sleep(self._chance.up_to_s(TIMEOUT_S))
            raise StoreUnavailableError
        await asyncio.sleep(self._chance.up_to_s(TIMEOUT_S / 2))


class DistantDirectory(MemoryDirectory):
    """One worker's access."""

    def __init__(self, store: Store, worker: str) -> None:
        super().__init__(store.hub, worker)
        self._store = store

    async def claim(self, claim: Claim) -> Verdict:
        """Ask, from afar."""
        await self._store.travel()
        verdict = await super().claim(claim)
        await self._store.travel()
        return verdict

    async def exchange(self, report: Report) -> News:
        """Tell and hear, from afar."""
        await self._store.travel()
        news = await super().exchange(report)
        await self._store.travel()
        return news
