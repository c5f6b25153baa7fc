"""What is told of sessions and numbers to whoever asks a worker: of all workers where they share a store, else its own.

Guarantees that no answer waits for a store that is away: then it is of this worker alone, and says so. Asked by
the REST routes.
"""

from __future__ import annotations

import heapq
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from earful.errors import EarfulError, ErrorCode
from earful.service.figures import Figures, figures_of
from earful.store.directory import StoreUnavailableError
from earful.telemetry.summary import Summary, read_window, summary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from earful.service.connection import Connection
    from earful.service.registry import Registry
    from earful.service.shared_claims import SharedClaims
    from earful.store.values import Listed, Peer
    from earful.telemetry.summary import Window

_DECODER = msgspec.json.Decoder(Figures)


class Page(NamedTuple):
    """Some sessions in the order of their ids; where the next page begins; whether other workers' are missing."""

    sessions: list[Figures]
    next_cursor: str | None
    is_partial: bool


class Roster:
    """The sessions of this worker, and through the store those of all."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        """Know this worker's alone; `clock` is the registry's."""
        self._registry = registry
        self._clock = clock

    @property
    def store(self) -> Literal["ok", "away"] | None:
        """Whether the shared store answers; None where there is none."""
        return None

    @property
    def active_sessions(self) -> int:
        """Live sessions, as far as can be told now."""
        return len(self._registry.connections)

    async def page(self, after: str, limit: int, tenant: str | None = None) -> Page:
        """Up to `limit` sessions with ids above `after`: of `tenant`, or of all where it is None."""
        return self._page_of(after, limit, {}, tenant=tenant)

    async def find(self, session_id: str, tenant: str | None = None) -> Figures:
        """One session. Raises EarfulError: `not_found`, for another tenant's too; `overloaded` if unknowable."""
        connection = self._here(session_id, tenant)
        if connection is None:
            raise _not_found()
        return self._own(connection, self._clock())

    async def end(self, session_id: str, tenant: str | None = None) -> None:
        """End one session for good, as `Registry.delete`. Raises as `find`."""
        connection = self._here(session_id, tenant)
        if connection is None:
            raise _not_found()
        self._registry.delete(connection)

    async def summary(self) -> Summary:
        """What was served, and how fast."""
        return self._registry.metrics.summary(self._clock())

    def _here(self, session_id: str, tenant: str | None) -> Connection | None:
        """A session of this worker's; None where it has none of this id, or it is another tenant's."""
        connection = self._registry.connections.get(session_id)
        return connection if connection is not None and _is_of(connection, tenant) else None

    def _own(self, connection: Connection, now: float) -> Figures:
        """One of this worker's."""
        return figures_of(connection, now)

    def _page_of(
        self,
        after: str,
        limit: int,
        others: dict[str, Figures],
        until: str | None = None,
        *,
        tenant: str | None,
        is_partial: bool = False,
    ) -> Page:
        """This worker's sessions and these; beyond `until`, if given, there may be more of the others'."""
        connections = self._registry.connections
        live = connections if tenant is None else {name: c for name, c in connections.items() if _is_of(c, tenant)}
        own = {name for name in live if after < name and (until is None or name <= until)}
        names = own | others.keys()
        page = heapq.nsmallest(limit, names)
        now = self._clock()
        sessions = [self._own(live[name], now) if name in live else others[name] for name in page]
        return Page(sessions, page[-1] if len(names) > limit else until, is_partial)


class SharedRoster(Roster):
    """The sessions of all workers: this one's as they are, the others' as they were last reported."""

    def __init__(
        self,
        registry: Registry,
        claims: SharedClaims,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask the directory of `claims` for what this worker does not know."""
        super().__init__(registry, clock)
        self._directory = claims.directory
        self._claims = claims

    @property
    def store(self) -> Literal["ok", "away"] | None:
        """Whether the last word with the store was answered."""
        return "ok" if self._directory.available else "away"

    @property
    def active_sessions(self) -> int:
        """All workers', the others' as of the last second; this worker's alone while the store is away."""
        return super().active_sessions + self._registry.sessions_elsewhere

    async def page(self, after: str, limit: int, tenant: str | None = None) -> Page:
        """Of all workers; partial, of this one, while the store is away."""
        try:
            # One more, so that it shows whether there is a next page.
            listed = await self._directory.page(after, limit + 1, tenant)
        except StoreUnavailableError:
            return self._page_of(after, limit, {}, tenant=tenant, is_partial=True)
        until = listed[-1].entry.session_id if len(listed) > limit else None
        return self._page_of(after, limit, dict(self._elsewhere(listed)), until, tenant=tenant)

    async def find(self, session_id: str, tenant: str | None = None) -> Figures:
        """Of any worker."""
        if self._here(session_id, tenant) is not None:
            return await super().find(session_id, tenant)
        try:
            listed = await self._directory.find(session_id, tenant)
        except StoreUnavailableError:
            raise _unknowable() from None
        for _, figures in self._elsewhere([listed] if listed is not None else []):
            return figures
        raise _not_found()

    async def end(self, session_id: str, tenant: str | None = None) -> None:
        """Of any worker; its owner learns it within about a second.

        One that no worker has is `not_found`, but it is not resumed either: it may be between two connections.
        """
        if self._here(session_id, tenant) is not None:
            await super().end(session_id, tenant)
            with suppress(StoreUnavailableError):  # Then the next exchange tells it.
                await self._claims.tell(session_id)
            return
        try:
            ended = await self._directory.end(session_id, tenant, self._registry.limits.session.cursor_life_s)
        except StoreUnavailableError:
            raise _unknowable() from None
        if ended is None or not ended.is_live or ended.owner == self._directory.worker:
            raise _not_found()

    async def summary(self) -> Summary:
        """Of all live workers, the others' as of the last second; the requests of those that are gone are in it."""
        own = self._registry.metrics.window(self._clock())
        try:
            overview = await self._directory.overview()
        except StoreUnavailableError:
            return summary_of([own])
        summary = summary_of([own, *self._others(overview.workers)])
        summary["total_requests"] += overview.served_before
        return summary

    def _own(self, connection: Connection, now: float) -> Figures:
        return {**super()._own(connection, now), "worker": self._directory.worker}

    def _elsewhere(self, listed: list[Listed]) -> Iterator[tuple[str, Figures]]:
        """Name and figures of the others' sessions; this worker knows better of its own.

        What another release wrote and this one cannot read is passed over.
        """
        for one in listed:
            if one.worker != self._directory.worker:
                with suppress(msgspec.DecodeError):
                    figures = _DECODER.decode(one.entry.detail)
                    yield one.entry.session_id, {**figures, "worker": one.worker}

    def _others(self, peers: Iterable[Peer]) -> list[Window]:
        read = (read_window(peer.numbers, peer.histograms) for peer in peers if peer.worker != self._directory.worker)
        return [window for window in read if window is not None]


def _is_of(connection: Connection, tenant: str | None) -> bool:
    """Whether it is this tenant's; None is everybody."""
    return tenant is None or connection.session.opening.tenant == tenant


def _not_found() -> EarfulError:
    return EarfulError(ErrorCode.NOT_FOUND, "There is no live session of this id.")


def _unknowable() -> EarfulError:
    return EarfulError(
        ErrorCode.OVERLOADED, "The session is not this worker's, and the store is away; try again later."
    )
