"""The directory in this process's memory: for one worker, and for tests with several.

Guarantees the contract of `directory.py`, and that it is never away. What several directories share is a `Hub`.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from earful.store.bucket import Bucket
from earful.store.directory import LEASE_S
from earful.store.values import Claim, Ended, Entry, Listed, News, Notice, Overview, Peer, Verdict, keep_newer, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earful.store.values import Draw, Report

MAX_NOTICES = 2000
"""A worker that does not come for its notices loses the oldest; its own reports tell it the same."""


@dataclass(slots=True)
class _Note:
    """Who owns a session, and who owned it last where it was ended."""

    tenant: str
    owner: str
    attempt: int
    expires_at: float
    is_unreported: bool = False
    ended: bool = False


@dataclass(slots=True)
class _Desk:
    """What one worker has reported."""

    peer: Peer
    tenants: dict[str, int]
    lease_ends_at: float
    is_pressed: bool
    entries: dict[str, Entry] = field(default_factory=dict)


class Hub:
    """What all directories in this process know together; everything in it ends, by `clock` (seconds)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing."""
        self.clock = clock
        self.desks: dict[str, _Desk] = {}
        self.inboxes: dict[str, deque[Notice]] = {}
        self.served: dict[str, int] = {}
        """What each worker has served, also those that are gone: a number for each run of a worker of this process."""
        self.buckets: dict[str, Bucket] = {}
        """Of the tenants that began a session lately; one that is full is forgotten."""
        self._notes: dict[str, _Note] = {}
        self._expiries: list[tuple[float, str]] = []
        """A heap with one item for each note: when to look whether its time is over."""

    def tidy(self) -> None:
        """Forget workers whose lease has passed and notes whose time is over."""
        now = self.clock()
        for worker in [worker for worker, desk in self.desks.items() if desk.lease_ends_at <= now]:
            del self.desks[worker]
        while self._expiries and self._expiries[0][0] <= now:
            _, session_id = heapq.heappop(self._expiries)
            note = self._notes[session_id]
            if note.expires_at > now:  # It was noted again meanwhile.
                heapq.heappush(self._expiries, (note.expires_at, session_id))
            else:
                del self._notes[session_id]

    def noted(self, session_id: str, tenant: str | None = None) -> _Note | None:
        """The note of a session while its time lasts, unless it is another tenant's."""
        note = self._notes.get(session_id)
        if note is None or note.expires_at <= self.clock() or tenant not in {None, note.tenant}:
            return None
        return note

    def claim(self, claim: Claim | Entry, worker: str, expires_s: float) -> Verdict:
        """Note a new owner, or leave what is noted."""
        note = self.noted(claim.session_id)
        if note is not None and note.ended:
            return Verdict.ENDED
        if note is not None and claim.attempt <= note.attempt:
            return Verdict.SUPERSEDED
        if note is not None and note.owner != worker:
            self.tell(note.owner, Notice(claim.session_id, claim.attempt - 1))
        expires_at = self.clock() + expires_s
        note = _Note(claim.tenant, worker, claim.attempt, expires_at, is_unreported=isinstance(claim, Claim))
        self._note(claim.session_id, note)
        return Verdict.GRANTED

    def end(self, session_id: str, note: _Note, expires_s: float) -> None:
        """Note an end on a session's note, which may be new, and tell its owner."""
        note.ended = True
        note.expires_at = max(note.expires_at, self.clock() + expires_s)
        self._note(session_id, note)
        self.tell(note.owner, Notice(session_id))

    def note_again(self, entry: Entry, worker: str, expires_s: float) -> Verdict:
        """Note the owner of a session that has it already: of equal attempts the first noted stays."""
        self.let_pass(entry.session_id, worker)
        note = self.noted(entry.session_id)
        if note is not None and not note.ended and (note.owner, note.attempt) == (worker, entry.attempt):
            note.expires_at = self.clock() + expires_s
            return Verdict.GRANTED
        return self.claim(entry, worker, expires_s)

    def lists(self, session_id: str, worker: str) -> bool:
        """Whether a live worker reports a session."""
        return worker in self.desks and session_id in self.desks[worker].entries

    def let_pass(self, session_id: str, worker: str) -> None:
        """Wait for no report of a session that this worker had."""
        note = self.noted(session_id)
        if note is not None and note.owner == worker:
            note.is_unreported = False

    def tell(self, worker: str, notice: Notice) -> None:
        """Leave a notice for a worker; one that has taken leave needs none."""
        inbox = self.inboxes.get(worker)
        if inbox is not None:
            inbox.append(notice)

    def _note(self, session_id: str, note: _Note) -> None:
        if session_id not in self._notes:
            heapq.heappush(self._expiries, (note.expires_at, session_id))
        self._notes[session_id] = note


class MemoryDirectory:
    """One worker's access to a hub."""

    available = True

    def __init__(self, hub: Hub, worker: str, *, lease_s: float = LEASE_S) -> None:
        """Share `hub` with its other directories."""
        self.worker = worker
        self._hub = hub
        self._lease_s = lease_s
        self._inbox = hub.inboxes[worker] = deque(maxlen=MAX_NOTICES)

    async def open(self) -> None:
        """Nothing to try."""

    async def close(self) -> None:
        """Take leave."""
        self._hub.desks.pop(self.worker, None)
        self._hub.inboxes.pop(self.worker, None)

    async def claim(self, claim: Claim) -> Verdict:
        """Ask for a session."""
        self._hub.tidy()
        return self._hub.claim(claim, self.worker, claim.expires_s)

    async def end(self, session_id: str, tenant: str | None, expires_s: float) -> Ended | None:
        """Note that a session is ended."""
        self._hub.tidy()
        note = self._hub.noted(session_id, tenant)
        if note is None:
            return None
        self._hub.end(session_id, note, expires_s)
        return Ended(note.owner, is_live=note.is_unreported or self._hub.lists(session_id, note.owner))

    async def end_own(self, claim: Claim) -> None:
        """Note that a session of this worker's is ended."""
        self._hub.tidy()
        own = _Note(claim.tenant, self.worker, claim.attempt, expires_at=0.0)
        self._hub.end(claim.session_id, self._hub.noted(claim.session_id) or own, claim.expires_s)

    async def exchange(self, report: Report) -> News:
        """Tell and hear what there is to tell."""
        self._hub.tidy()
        forgot = self.worker not in self._hub.desks
        desk = self._renew(report)
        self._hub.served[self.worker] = report.served
        for session_id in report.ended:
            desk.entries.pop(session_id, None)
        for entry in report.sessions:
            desk.entries[entry.session_id] = entry
            self._note_again(entry, report.expires_s)
        for session_id in report.passed:
            self._hub.let_pass(session_id, self.worker)
        notices = tuple(self._inbox)
        self._inbox.clear()
        desks = self._hub.desks.values()
        return News(
            notices,
            sessions=sum(desk.peer.sessions for desk in desks),
            workers=len(desks),
            tenants={tenant: sum(desk.tenants.get(tenant, 0) for desk in desks) for tenant in report.tenants},
            forgot=forgot,
            pressed=sum(desk.is_pressed for desk in desks),
        )

    async def draw(self, draws: Sequence[Draw]) -> list[float]:
        """Take from the tenants' buckets."""
        now, buckets = self._hub.clock(), self._hub.buckets
        for tenant in [tenant for tenant, bucket in buckets.items() if bucket.full_at_s <= now]:
            del buckets[tenant]
        return [
            buckets.setdefault(draw.tenant, Bucket(draw.rate_per_s, now)).draw(draw.number, draw.rate_per_s, now)
            for draw in draws
        ]

    async def overview(self) -> Overview:
        """All live workers."""
        self._hub.tidy()
        before = sum(count for worker, count in self._hub.served.items() if worker not in self._hub.desks)
        return Overview(tuple(desk.peer for desk in self._hub.desks.values()), before)

    async def page(self, after: str, limit: int, tenant: str | None) -> list[Listed]:
        """Up to `limit` sessions with ids above `after`."""
        self._hub.tidy()
        found: dict[str, Listed] = {}
        for worker, desk in self._hub.desks.items():
            for entry in desk.entries.values():
                if entry.session_id > after and tenant in {None, entry.tenant}:
                    keep_newer(found, Listed(entry, worker))
        return [found[session_id] for session_id in heapq.nsmallest(limit, found)]

    async def find(self, session_id: str, tenant: str | None) -> Listed | None:
        """The session as its owner last reported it."""
        self._hub.tidy()
        note = self._hub.noted(session_id, tenant)
        if note is None or note.ended or note.owner not in self._hub.desks:
            return None
        entry = self._hub.desks[note.owner].entries.get(session_id)
        return Listed(entry, note.owner) if entry is not None else None

    async def owner(self, session_id: str, tenant: str | None) -> str | None:
        """The worker that has the session, or had it last."""
        note = self._hub.noted(session_id, tenant)
        return note.owner if note is not None else None

    def _renew(self, report: Report) -> _Desk:
        """This worker's desk with its new lease, counts and numbers."""
        peer = Peer(self.worker, sum(report.tenants.values()), report.numbers, report.histograms, report.card)
        lease_ends_at = self._hub.clock() + self._lease_s
        known = self._hub.desks.get(self.worker)
        entries = {} if known is None else known.entries
        desk = self._hub.desks[self.worker] = _Desk(peer, report.tenants, lease_ends_at, report.is_pressed, entries)
        return desk

    def _note_again(self, entry: Entry, expires_s: float) -> None:
        verdict = self._hub.note_again(entry, self.worker, expires_s)
        if verdict is not Verdict.GRANTED:
            self._inbox.append(lost(entry, verdict))
