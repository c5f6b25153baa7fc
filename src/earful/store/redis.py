"""The directory in Redis or Valkey, alone, behind sentinels or as a cluster: what workers anywhere share.

Guarantees the contract of `directory.py`. One round trip for a claim; one a second for an exchange, a second one
where sessions changed hands. Imported only where the settings ask for it: redis-py takes a tenth of a second.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from earful.store.clients import client_at
from earful.store.directory import LEASE_S, StoreUnavailableError
from earful.store.keys import ROLL, bucket_keys, details_key, inbox_key, index_key, listing, note_key
from earful.store.link import CLOSE_WITHIN_S, TURN_S, Link
from earful.store.records import VERSION, Codec
from earful.store.scripts import (
    DETAIL,
    DRAW,
    END,
    END_OWN,
    ENROL,
    LET_PASS,
    LIST,
    NOTE,
    OWNER,
    PAGE,
    ROLL_CALL,
    STRIKE,
    TELL,
)
from earful.store.values import Ended, Entry, Listed, News, Notice, Overview, Peer, Verdict, keep_newer, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from earful.store.address import StoreAddress
    from earful.store.directory import OnTurn
    from earful.store.scripts import Call
    from earful.store.values import Claim, Draw, Report

T = TypeVar("T")

MAX_NOTICES = 2000
"""A worker that does not come for its notices loses the oldest; its own reports tell it the same."""
MOST_GONE = 500
"""Workers that are gone and might be back, of whom what each has served is known; of more only the sum."""
_KEEP_MS = 60_000
"""How long the roll and an inbox outlive the last word to them."""
_DRAWN_MS = 10_000
"""How long a draw is known again: as long as a turn takes, and far longer."""
_BEGINNING = b"0-0"


class RedisDirectory:
    """One worker's access to the directory in Redis."""

    def __init__(
        self,
        address: StoreAddress,
        worker: str,
        *,
        max_connections: int = 16,
        lease_s: float = LEASE_S,
        turn_s: float = TURN_S,
        clock: Callable[[], float] = time.monotonic,
        on_turn: OnTurn | None = None,
    ) -> None:
        """Connect when first asked, with at most `max_connections` at a time (to each node of a cluster)."""
        self.worker = worker
        dial = partial(client_at, address, max_connections, turn_s)
        self._link = Link(dial, max_turns=max_connections, turn_s=turn_s, clock=clock, on_turn=on_turn)
        self._lease_ms = _ms(lease_s)
        self._last_read = _BEGINNING
        self._words: set[asyncio.Task[None]] = set()
        self._entries = Codec(Entry)
        self._peers = Codec(Peer)
        self._notices = Codec(Notice)

    @property
    def available(self) -> bool:
        """Whether the last call was answered; True where none was made."""
        return self._link.available

    async def open(self) -> None:
        """Try whether the store is there."""
        with suppress(StoreUnavailableError):
            await self.overview()

    async def close(self) -> None:
        """Take leave and let go of every connection."""
        with suppress(StoreUnavailableError):
            async with self._link.turn() as turn:
                await turn.send(STRIKE(ROLL, self.worker))
        if self._words:  # Each is a turn, which has a deadline.
            await asyncio.wait(self._words, timeout=CLOSE_WITHIN_S)
        await self._link.close()

    async def claim(self, claim: Claim) -> Verdict:
        """Ask for a session."""
        # Sent again after a lost answer it is known by its nonce, and not refused because of itself.
        call = self._note(claim, claim.expires_s, nonce=secrets.token_urlsafe(8))
        async with self._link.turn() as turn:
            [(verdict, old_owner)] = await turn.send(call)
        if old_owner:
            self._tell((old_owner, Notice(claim.session_id, claim.attempt - 1)))
        return Verdict(verdict.decode())

    async def end(self, session_id: str, tenant: str | None, expires_s: float) -> Ended | None:
        """Note that a session is ended."""
        call = END((note_key(session_id),), int(tenant is None), tenant or "", _ms(expires_s))
        async with self._link.turn() as turn:
            [found] = await turn.send(call)
            if found is None:
                return None
            owner, is_unreported = found
            [listed] = await turn.send(DETAIL((details_key(owner.decode()),), session_id))
        self._tell((owner, Notice(session_id)))
        return Ended(owner.decode(), is_live=bool(is_unreported) or listed is not None)

    async def end_own(self, claim: Claim) -> None:
        """Note that a session of this worker's is ended."""
        call = END_OWN(
            (note_key(claim.session_id),), self.worker, claim.attempt, claim.tenant, _ms(claim.expires_s), VERSION
        )
        async with self._link.turn() as turn:
            [owner] = await turn.send(call)
        self._tell((owner, Notice(claim.session_id)))

    async def exchange(self, report: Report) -> News:
        """Tell and hear what there is to tell."""
        noting = [self._note(entry, report.expires_s) for entry in report.sessions]
        passing = [LET_PASS((note_key(session_id),), self.worker) for session_id in report.passed]
        async with self._link.turn() as turn:
            # Listed before it is noted that it was reported: at no moment is a live session neither.
            roll, (forgot, inbox), *answers = await turn.send(
                self._enrol(report), self._list(report), *noting, *passing
            )
        verdicts = answers[: len(noting)]
        if inbox or forgot:  # Where the store was emptied, notices count from the beginning.
            self._last_read = inbox[-1][0] if inbox else _BEGINNING
        workers, *counted = roll
        sums = dict(zip(counted[::2], counted[1::2], strict=True))
        return News(
            (*_known(self._notices, (fields[1] for _, fields in inbox)), *self._settle(report.sessions, verdicts)),
            sessions=sums[b"sessions"],
            workers=workers,
            tenants={tenant: sums[_of_tenant(tenant).encode()] for tenant in report.tenants},
            forgot=bool(forgot),
            pressed=sums[b"pressed"],
        )

    async def draw(self, draws: Sequence[Draw]) -> list[float]:
        """Take from the tenants' buckets."""
        nonce = secrets.token_urlsafe(8)
        calls = [
            DRAW(bucket_keys(draw.tenant, self.worker), draw.rate_per_s, draw.number, nonce, _DRAWN_MS)
            for draw in draws
        ]
        async with self._link.turn() as turn:
            return [float(left) for left in await turn.send(*calls)]

    async def overview(self) -> Overview:
        """All live workers."""
        async with self._link.turn() as turn:
            [(before, records)] = await turn.send(ROLL_CALL(ROLL, "records"))
        return Overview(tuple(_known(self._peers, records)), before)

    async def page(self, after: str, limit: int, tenant: str | None) -> list[Listed]:
        """Up to `limit` sessions with ids above `after`: as many from each worker, and of these the first."""
        async with self._link.turn() as turn:
            [names] = await turn.send(ROLL_CALL(ROLL, "names"))
            workers = [name.decode() for name in names]
            pages = await turn.send(
                *(PAGE((index_key(worker), details_key(worker)), *listing(tenant), after, limit) for worker in workers)
            )
        found: dict[str, Listed] = {}
        for worker, page in zip(workers, pages, strict=True):
            for entry in _known(self._entries, page):
                keep_newer(found, Listed(entry, worker))
        return [found[session_id] for session_id in sorted(found)[:limit]]

    async def find(self, session_id: str, tenant: str | None) -> Listed | None:
        """The session as its owner last reported it."""
        async with self._link.turn() as turn:
            [(owner, owning_tenant, ended)] = await turn.send(OWNER((note_key(session_id),)))
            if owner is None or ended or tenant not in {None, owning_tenant.decode()}:
                return None
            worker = owner.decode()
            records = await turn.send(DETAIL((details_key(worker),), session_id))
        return next((Listed(entry, worker) for entry in _known(self._entries, records)), None)

    async def owner(self, session_id: str, tenant: str | None) -> str | None:
        """The worker that has the session, or had it last."""
        async with self._link.turn() as turn:
            [(owner, owning_tenant, _)] = await turn.send(OWNER((note_key(session_id),)))
        return owner.decode() if owner is not None and tenant in {None, owning_tenant.decode()} else None

    def _note(self, session: Claim | Entry, expires_s: float, nonce: str = "") -> Call:
        return NOTE(
            (note_key(session.session_id),),
            self.worker,
            session.attempt,
            session.tenant,
            nonce,
            _ms(expires_s),
            VERSION,
        )

    def _enrol(self, report: Report) -> Call:
        total = sum(report.tenants.values())
        counted = {_of_tenant(tenant): number for tenant, number in report.tenants.items()}
        counted |= {"sessions": total, "pressed": int(report.is_pressed)}
        record = self._peers.write(Peer(self.worker, total, report.numbers, report.histograms, report.card))
        counts = msgspec.json.encode(counted)
        return ENROL(ROLL, self.worker, self._lease_ms, record, counts, _KEEP_MS, report.served, MOST_GONE)

    def _list(self, report: Report) -> Call:
        listed = [(entry.session_id, self._entries.write(entry)) for entry in report.sessions]
        return LIST(
            (index_key(self.worker), details_key(self.worker), inbox_key(self.worker)),
            self._lease_ms,
            self._last_read,
            len(report.ended),
            *report.ended,
            *(argument for pair in listed for argument in pair),
        )

    def _settle(self, entries: Iterable[Entry], answers: Iterable[tuple[bytes, bytes]]) -> list[Notice]:
        """Tell the old owners of sessions that have become this worker's; give notice of those that have not."""
        settled = [
            (entry, Verdict(verdict.decode()), old) for entry, (verdict, old) in zip(entries, answers, strict=True)
        ]
        self._tell(*((old, Notice(entry.session_id, entry.attempt - 1)) for entry, _, old in settled if old))
        return [lost(entry, verdict) for entry, verdict, _ in settled if verdict is not Verdict.GRANTED]

    def _tell(self, *words: tuple[bytes, Notice]) -> None:
        """Leave notices for other workers, in the background: nobody waits for them, and they may be lost.

        What an old owner was not told it learns when it next reports the session.
        """
        if words:
            task = asyncio.create_task(self._leave(words), name="store notices")
            self._words.add(task)
            task.add_done_callback(self._words.discard)

    async def _leave(self, words: Iterable[tuple[bytes, Notice]]) -> None:
        calls = [
            TELL((inbox_key(worker.decode()),), self._notices.write(notice), MAX_NOTICES, _KEEP_MS)
            for worker, notice in words
        ]
        with suppress(StoreUnavailableError):
            async with self._link.turn() as turn:
                await turn.send(*calls)


def _known(codec: Codec[T], records: Iterable[bytes | None]) -> Iterator[T]:
    """The values of those records that are there and can be read."""
    values = (codec.read(record) for record in records if record is not None)
    return (value for value in values if value is not None)


def _of_tenant(tenant: str) -> str:
    """The name of a tenant's count on the roll, where `sessions` is that of all of them."""
    return f"t:{tenant}"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
