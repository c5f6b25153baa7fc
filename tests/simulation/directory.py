"""The directory on the other side of a network: `Claims` of one worker over the shared memory of all.

Calls take effect at some moment between their two ways; while the store is away they fail, now and then after
they have taken effect. Once a second the worker reports its sessions, and heeds what it is told of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from earful.errors import ErrorCode
from earful.session.claim import Verdict
from earful.store.directory import StoreUnavailableError
from earful.store.memory import Hub, MemoryDirectory
from earful.store.values import Claim, Entry, Notice, Report
from earful.store.values import Verdict as Answer

if TYPE_CHECKING:
    from tests.support.chance import Chance

    from earful.service.registry import Registry
    from earful.session.claim import Claim as Wish

BEAT_S = 1.0
TIMEOUT_S = 0.25
LIFE_S = 300.0
_VERDICTS = {
    Answer.GRANTED: Verdict.GRANTED,
    Answer.SUPERSEDED: Verdict.SUPERSEDED,
    Answer.ENDED: Verdict.DELETED,
}


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


class DistantClaims:
    """One worker's access."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store = store
        self._directory = MemoryDirectory(store.hub, worker)

    async def claim(self, claim: Wish) -> Verdict:
        """Ask; who cannot be asked grants."""
        try:
            await self._store.travel()
            answer = await self._directory.claim(Claim(claim.session_id, claim.tenant, claim.attempt, claim.life_s))
            await self._store.travel()
        except StoreUnavailableError:
            return Verdict.GRANTED
        return _VERDICTS[answer]

    def delete(self, claim: Wish) -> None:
        """Nobody deletes sessions here."""
        raise AssertionError(claim)

    async def beat(self, registry: Registry) -> None:
        """Report once a second until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._store.travel()
                news = await self._directory.exchange(Report(_entries(registry), expires_s=LIFE_S))
                await self._store.travel()
            except StoreUnavailableError:
                continue
            for notice in news.notices:
                self.heed(registry, notice)

    @staticmethod
    def heed(registry: Registry, notice: Notice) -> None:
        """Close what lives elsewhere by now."""
        connection = registry.connections.get(notice.session_id)
        lost = notice.lost_attempt
        if connection is not None and lost is not None and connection.session.attempt <= lost:
            connection.fail(ErrorCode.SUPERSEDED)


def _entries(registry: Registry) -> tuple[Entry, ...]:
    """The sessions that have begun."""
    return tuple(
        Entry(session_id, "", connection.session.attempt, 0.0)
        for session_id, connection in registry.connections.items()
        if connection.session.opted_in
    )
