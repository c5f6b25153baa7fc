"""A worker among the others: it tells the store of its sessions and numbers once a second, and heeds what it hears.

What begins where its tenant has a rate it tells at once: a second later would be as late as the rate is long.

Guarantees that every wait is bounded (the directory's 250 ms) and that what was not told, or was forgotten, is told
again, in slices. `app.py` builds it where the store is shared; its one task is the lifespan's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from earful.errors import ErrorCode
from earful.protocol.states import Input, State
from earful.service.figures import figures_of
from earful.store.directory import StoreUnavailableError
from earful.store.values import Card, Entry, Report
from earful.telemetry.cleaning import places_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from earful.service.connection import Connection
    from earful.service.registry import Registry
    from earful.service.shared_claims import SharedClaims
    from earful.store.values import News, Notice

EXCHANGE_EVERY_S = 1.0
MOST_ENTRIES = 500
"""Sessions in one exchange: what the store and redis-py do in a few milliseconds."""
MOST_ENDED = 2000
LEAST_ENTRIES = 10
GROWTH = 25
"""Sessions more in each exchange, up to `MOST_ENTRIES`, after failures have made them fewer."""
ROUND_EXCHANGES = 30
"""Each session is told again about so often, as long as `MOST_ENTRIES` allows."""


class Presence:
    """What the store knows of this worker, and this worker of the others."""

    def __init__(
        self,
        registry: Registry,
        claims: SharedClaims,
        clock: Callable[[], float] = time.monotonic,
        card: Card = Card(),  # noqa: B008 - frozen
    ) -> None:
        """Nothing was told yet; `claims` are those of the registry, and `clock` is. The store is shown the `card`."""
        self._card = card
        self._directory = claims.directory
        self._registry = registry
        self._claims = claims
        self._clock = clock
        self._has_begun = asyncio.Event()
        """Something has, of a tenant that has a rate."""
        registry.tenants.rates.on_due = self._has_begun.set
        self._told: dict[str, int] = {}
        """The attempts of the sessions that the store knows from here, those first that were told longest ago."""
        self._most_entries = MOST_ENTRIES
        """Fewer where exchanges fail: a slow store that can take some is not asked to take all or nothing."""

    async def exchange_for_ever(self) -> None:
        """Open the directory, and exchange every second until cancelled; draw in between."""
        await self._try("opening failed", self._directory.open)
        while True:
            await self._try("exchange failed", self.exchange)
            await self._draw_until(asyncio.get_running_loop().time() + EXCHANGE_EVERY_S)

    async def close(self) -> None:
        """Take leave of the store, when nothing is asked of it any more; where it listens, say what was done here."""
        if self._registry.metrics.store_is_up:
            await self._try("exchange failed", self.exchange)
            await self._try("exchange failed", self._claims.tell_rest)
        await self._directory.close()

    async def exchange(self) -> None:
        """Tell and hear once; without the store the limits are this worker's own."""
        began = self._clock()
        report = self._report(began)
        try:
            await self._claims.tell_some()
            news = await self._directory.exchange(report)
        except StoreUnavailableError as fault:
            self._registry.sessions_elsewhere = self._registry.workers_elsewhere = 0
            self._registry.pressed_elsewhere = 0
            self._registry.tenants.cut_off()
            self._most_entries = max(LEAST_ENTRIES, self._most_entries // 2)
            self._note_away(str(fault))
            return
        self._registry.metrics.exchange.observe(self._clock() - began)
        self._most_entries = min(MOST_ENTRIES, self._most_entries + GROWTH)
        self._note_back()
        self._take_in(report, news)

    async def draw(self) -> None:
        """Tell what has begun, and hear what is left of the tenants' rates; without the store they are shared."""
        self._has_begun.clear()
        rates = self._registry.tenants.rates
        draws = rates.draws()
        if not draws:
            return
        try:
            rates.learn(draws, await self._directory.draw(draws), self._clock())
        except StoreUnavailableError:
            rates.cut_off()

    async def _draw_until(self, until_s: float) -> None:
        """Draw whenever something has begun, one draw at a time, until the loop's time is this."""
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            try:
                async with asyncio.timeout_at(until_s):
                    await self._has_begun.wait()
            except TimeoutError:
                return
            await self._try("draw failed", self.draw)

    def _report(self, now: float) -> Report:
        connections = self._registry.connections
        window = self._registry.metrics.window(now)
        return Report(
            sessions=tuple(self._entry(connection, now) for connection in islice(self._due(), self._most_entries)),
            ended=tuple(islice((name for name in self._told if name not in connections), MOST_ENDED)),
            passed=self._passed(),
            tenants=self._registry.tenants.asked_for()
            | dict(Counter(connection.session.opening.tenant for connection in connections.values())),
            numbers=window.numbers(),
            histograms=window.histograms(),
            expires_s=self._claims.expires_s,
            card=self._card,
            served=window.total_requests,
            is_pressed=self._registry.is_pressed,
        )

    def _passed(self) -> tuple[str, ...]:
        """Sessions that were claimed and are gone before they were reported."""
        live = self._registry.connections
        return tuple(islice((name for name in self._claims.unreported if name not in live), MOST_ENTRIES))

    def _due(self) -> Iterator[Connection]:
        """Sessions that the store does not know like this, then a slice of those that it does."""
        connections = self._registry.connections
        for name, connection in connections.items():
            if self._told.get(name) != connection.session.attempt and not _may_be_another(connection):
                yield connection
        known = (connections[name] for name in self._told if name in connections)
        slice_size = math.ceil(len(connections) / ROUND_EXCHANGES)
        yield from islice(
            (one for one in known if self._told[one.session.info.session_id] == one.session.attempt), slice_size
        )

    @staticmethod
    def _entry(connection: Connection, now: float) -> Entry:
        session = connection.session
        return Entry(
            session.info.session_id,
            session.opening.tenant,
            session.attempt,
            round(time.time() - (now - session.began_at), 3),
            msgspec.json.encode(figures_of(connection, now)),
        )

    def _take_in(self, report: Report, news: News) -> None:
        if news.forgot:
            self._told.clear()
        for name in report.ended:
            self._told.pop(name, None)
        for name in report.passed:
            self._claims.unreported.pop(name, None)
        for entry in report.sessions:
            self._claims.unreported.pop(entry.session_id, None)
            self._told.pop(entry.session_id, None)  # To the end of the line.
            self._told[entry.session_id] = entry.attempt
        self._registry.sessions_elsewhere = max(0, news.sessions - sum(report.tenants.values()))
        self._registry.workers_elsewhere = max(0, news.workers - 1)
        self._registry.pressed_elsewhere = max(0, news.pressed - report.is_pressed)
        elsewhere = {name: number - report.tenants[name] for name, number in news.tenants.items() if name}
        self._registry.tenants.learn(elsewhere, news.workers)
        for notice in news.notices:
            self._heed(notice)

    def _heed(self, notice: Notice) -> None:
        """Let go of a session that goes on elsewhere, unless the connection is newer than the word; or end it."""
        connection = self._registry.connections.get(notice.session_id)
        if notice.lost_attempt is None:
            self._claims.learn_ended(notice.session_id, self._registry.limits.session.cursor_life_s)
            if connection is not None:
                connection.end(Input.END)
        elif connection is not None and connection.session.attempt <= notice.lost_attempt:
            connection.fail(ErrorCode.SUPERSEDED)

    async def _try(self, failure: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception as fault:  # noqa: BLE001 - the task's boundary: a bug costs this step, visibly
            self._note_fault(failure, fault)

    def _note_fault(self, failure: str, fault: Exception) -> None:
        self._registry.log.error(failure, error=type(fault).__name__, traceback=places_of(fault))

    def _note_away(self, cause: str) -> None:
        if self._registry.metrics.store_is_up is not False:
            self._registry.log.warning("store is away; limits and listings are this worker's own", error=cause)
        self._registry.metrics.store_is_up = False

    def _note_back(self) -> None:
        if self._registry.metrics.store_is_up is False:
            self._registry.log.info("store is back")
        self._registry.metrics.store_is_up = True


def _may_be_another(connection: Connection) -> bool:
    """Whether its client said that it would resume a session, and has not said which."""
    session = connection.session
    return session.state is State.CREATE and session.opening.is_returning
