"""Workers in virtual time that share a store, which can be away or forget, for the tests of what they know together."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.service.worker import LIMITS
from tests.support.clock import run_virtual, virtual_now
from tests.support.inside import Record
from tests.support.models import loaded, scripted
from tests.support.speech import of_type
from tests.support.wire import RecordingWire

from earful.engine.engine import Engine
from earful.protocol.seal import Seal
from earful.service.admission import Admission
from earful.service.claims import LocalClaims
from earful.service.identity import Identity
from earful.service.presence import Presence
from earful.service.registry import Registry
from earful.service.roster import SharedRoster
from earful.service.shared_claims import SharedClaims
from earful.service.workers import Workers
from earful.store.directory import StoreUnavailableError
from earful.store.memory import Hub, MemoryDirectory
from earful.telemetry.events import Events
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from earful.store.values import Claim, Draw, Ended, Listed, News, Overview, Report, Verdict

NOTED_S = 420.0
SECRET = Seal((b"one of all",))


class Store(Hub):
    """A hub that can be away, and can forget everything."""

    def __init__(self) -> None:
        super().__init__(virtual_now)
        self.is_away = False

    def forget(self) -> None:
        """As FLUSHALL does, notices too."""
        fresh = Hub(virtual_now)
        for inbox in self.inboxes.values():
            inbox.clear()
        fresh.inboxes = self.inboxes
        vars(self).update(vars(fresh))


class Door(MemoryDirectory):
    """A worker's way to the store; `reports` and `draws` are those that arrived."""

    def __init__(self, store: Store, worker: str) -> None:
        super().__init__(store, worker)
        self._store = store
        self.reports: list[Report] = []
        self.ends: list[str] = []
        self.draws: list[Draw] = []
        self.draw_takes_s = 0.0
        self.faults: list[Exception] = []
        """What the next opening, exchanges and draws raise."""
        self.takes = sys.maxsize
        """Sessions that the store takes of one report before its time is over."""

    @property
    def available(self) -> bool:  # type: ignore[override]  # never away there, sometimes here
        """Whether the store would answer."""
        return not self._store.is_away

    async def open(self) -> None:
        """As ever."""
        self._stumble()

    async def claim(self, claim: Claim) -> Verdict:
        """As ever, where the store is there."""
        self._knock()
        return await super().claim(claim)

    async def end(self, session_id: str, tenant: str | None, expires_s: float) -> Ended | None:
        """As ever, where the store is there."""
        self._knock()
        self.ends.append(session_id)
        return await super().end(session_id, tenant, expires_s)

    async def end_own(self, claim: Claim) -> None:
        """As ever, where the store is there."""
        self._knock()
        await asyncio.sleep(0)  # The way there takes a moment.
        self.ends.append(claim.session_id)
        await super().end_own(claim)

    async def exchange(self, report: Report) -> News:
        """As ever, where the store is there."""
        self._knock()
        self._stumble()
        if len(report.sessions) > self.takes:
            raise StoreUnavailableError("TimeoutError")
        self.reports.append(report)
        return await super().exchange(report)

    async def draw(self, draws: Sequence[Draw]) -> list[float]:
        """As ever, where the store is there."""
        self._knock()
        self._stumble()
        await asyncio.sleep(self.draw_takes_s)
        self.draws += draws
        return await super().draw(draws)

    async def overview(self) -> Overview:
        """As ever, where the store is there."""
        self._knock()
        return await super().overview()

    async def page(self, after: str, limit: int, tenant: str | None) -> list[Listed]:
        """As ever, where the store is there."""
        self._knock()
        return await super().page(after, limit, tenant)

    async def owner(self, session_id: str, tenant: str | None) -> str | None:
        """As ever, where the store is there."""
        self._knock()
        return await super().owner(session_id, tenant)

    async def find(self, session_id: str, tenant: str | None) -> Listed | None:
        """As ever, where the store is there."""
        self._knock()
        return await super().find(session_id, tenant)

    def _knock(self) -> None:
        if self._store.is_away:
            raise StoreUnavailableError("ConnectionError")

    def _stumble(self) -> None:
        if self.faults:
            raise self.faults.pop()


@dataclass(frozen=True, slots=True)
class Colleague:
    """One worker of several."""

    registry: Registry
    claims: SharedClaims
    presence: Presence
    roster: SharedRoster
    workers: Workers
    door: Door
    log: Record

    def begin(self, slot: str, text: str | None = '{"type":"start"}', *, tenant: str = "") -> RecordingWire:
        """A connection in this slot, of this tenant, whose client says this first."""
        wire = RecordingWire()
        connection = self.registry.connect(slot, wire, admission=Admission(tenant))
        if text is not None:
            connection.message(text)
        return wire

    @property
    def names(self) -> list[str]:
        """The sessions there are."""
        return list(self.registry.connections)

    @property
    def last_told(self) -> list[str]:
        """The sessions of the newest report."""
        return [entry.session_id for entry in self.door.reports[-1].sessions]


def cursor_of(wire: RecordingWire) -> str:
    """What `started` brought."""
    return str(of_type("started", wire.sent)[0]["cursor"])


def resume(cursor: str, attempt: int = 1) -> str:
    """A `start` that asks for it."""
    return json.dumps({"type": "start", "resume": {"cursor": cursor, "attempt": attempt}})


def together(scenario: Callable[[Store, Colleague, Colleague], Awaitable[None]], **limits: Any) -> None:
    """Run a scenario with two workers, whose exchanges it makes itself; each has at most 1000 sessions."""

    async def main() -> None:
        store = Store()
        pair = [await _colleague(store, name, {"max_sessions": 1000, **limits}) for name in ("one", "other")]
        await scenario(store, *pair)
        for worker in pair:
            for connection in list(worker.registry.connections.values()):
                connection.lost("test over")
            await worker.registry.close()
            await worker.registry.engine.close()
            await worker.presence.close()

    run_virtual(main())


async def _colleague(store: Store, name: str, limits: dict[str, Any]) -> Colleague:
    engine, metrics, log = Engine(loaded(scripted()), timeout_s=30, clock=virtual_now), Metrics(0.0), Record()
    await engine.load()
    door = Door(store, name)
    claims = SharedClaims(door, LocalClaims(virtual_now), metrics, NOTED_S)
    registry = Registry(
        dataclasses.replace(LIMITS, **limits), engine, metrics, Events(log), virtual_now, seal=SECRET, claims=claims
    )
    identity = Identity(id=name, ops=f"http://{name}:9000", began_unix_s=1.5)
    presence = Presence(registry, claims, virtual_now, identity.card)
    roster = SharedRoster(registry, claims, virtual_now)
    return Colleague(registry, claims, presence, roster, Workers(registry, identity, door), door, log)
