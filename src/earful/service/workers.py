"""The workers of the service: this one, and through the store those that live beside it.

Guarantees that no answer waits for a store that is away: then it is of this worker alone, and says so. Asked by the
operations routes; who looks for a session's past learns there which worker to ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from earful.store.directory import StoreUnavailableError

if TYPE_CHECKING:
    from earful.service.identity import Identity
    from earful.service.registry import Registry
    from earful.store.directory import Directory
    from earful.store.values import Card


class Colleague(TypedDict):
    """A worker as it is told: `ops` is the root of its operations listener, None where it has none."""

    id: str
    slot: int
    ops: str | None
    sessions: int
    version: str
    began_unix_s: float


class Elsewhere(TypedDict):
    """The worker that knows of a session: whether it lives, and the root of its operations listener, if it has one.

    It counts as alive for `LEASE_S` after it was killed.
    """

    id: str
    ops: str | None
    lives: bool


class Crew(NamedTuple):
    """Workers in the order of their ids, and whether others may be missing."""

    workers: list[Colleague]
    is_partial: bool


class Workers:
    """Those that can be told of."""

    def __init__(self, registry: Registry, identity: Identity, directory: Directory | None = None) -> None:
        """Tell of the worker of this identity and registry; of others where there is a directory."""
        self._registry = registry
        self._identity = identity
        self._directory = directory

    async def crew(self) -> Crew:
        """All live ones, the others as of the last second; this one alone where the store is away."""
        own = _colleague(self._identity.id, len(self._registry.connections), self._identity.card)
        try:
            others = await self._others()
        except StoreUnavailableError:
            return Crew([own], is_partial=True)
        return Crew(sorted([own, *others.values()], key=lambda one: one["id"]), is_partial=False)

    async def elsewhere(self, session_id: str) -> Elsewhere | None:
        """The other worker that has a session, or had it last; None where it is this one, or nobody knows of it.

        Raises StoreUnavailableError where that cannot be told.
        """
        if self._directory is None:
            return None
        owner = await self._directory.owner(session_id, None)
        if owner in {None, self._identity.id}:
            return None
        found = (await self._others()).get(owner)
        return Elsewhere(id=owner, ops=None if found is None else found["ops"], lives=found is not None)

    async def _others(self) -> dict[str, Colleague]:
        """The others by id, as they last reported themselves."""
        if self._directory is None:
            return {}
        peers = (await self._directory.overview()).workers
        return {
            peer.worker: _colleague(peer.worker, peer.sessions, peer.card)
            for peer in peers
            if peer.worker != self._identity.id
        }


def _colleague(name: str, sessions: int, card: Card) -> Colleague:
    return Colleague(
        id=name,
        slot=card.slot,
        ops=card.ops or None,
        sessions=sessions,
        version=card.version,
        began_unix_s=card.began_unix_s,
    )
