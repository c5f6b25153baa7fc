"""The directory of sessions, as its users see it; `memory.py` and `redis.py` are the two there are.

It is a directory, not a log: position and results are the client's, in its signed cursor, so an outage of the
store loses nothing and nobody on the audio path waits for it. Opened by `opening.py` for the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earful.store.values import Claim, Draw, Ended, Listed, News, Overview, Report, Verdict

LEASE_S = 5.0
"""How long a worker counts as alive after an exchange."""

OnTurn: TypeAlias = "Callable[[float, str], None]"
"""Told of each turn with a store: its seconds, and the cause where it failed."""


class StoreUnavailableError(Exception):
    """The store did not answer in time, or refused. What was asked of it may have happened, or may happen yet.

    Its text is the last cause that there was to see, the name of an exception's type. Never for a client: whoever
    asked goes on without the store.
    """


class Directory(Protocol):
    """One worker's access to what all workers of a service know together.

    **Order.** Each method takes effect at one moment between call and return; `exchange` for each session at one
    of its own. What returned is seen by every later call from any worker. A replicated store may forget the last
    second's writes at a failover; the rules for noting again, below, put them right.

    **Away.** Each method but `open` and `close` answers within 250 ms or raises StoreUnavailableError, and nothing
    else; after a failure calls raise at once, but for one a second. Where it was raised nothing may be concluded:
    neither that it happened nor that it did not. Memory is never away.

    **Lifetimes.** A worker is gone when its lease has passed since its last exchange, its sessions with it. Notes
    of owners stay for the time that came with them, counted from when the session was last claimed or reported.
    """

    worker: str
    """Names this run of this worker; a restarted one is another."""

    @property
    def available(self) -> bool:
        """Whether the last call was answered; True where none was made."""

    async def open(self) -> None:
        """Try whether the store is there, for 250 ms. Never raises for one that is away: it may come later."""

    async def close(self) -> None:
        """Take leave, so that nobody waits for the lease to pass, and let go of every connection.

        When no other call is under way. Takes two seconds at most, and never raises.
        """

    async def claim(self, claim: Claim) -> Verdict:
        """Ask for a session, atomically: of claims with one attempt, from any workers, exactly one is granted.

        ENDED where it was ended. SUPERSEDED where an attempt as large is noted already. Otherwise GRANTED: owner
        and attempt are noted, and another worker that owned it hears of it with its next exchange. That word may
        be lost; then the old owner learns it when it next reports the session. A claim that was answered with
        StoreUnavailableError may have been noted: a worker that goes on with the session reports it, and where
        it is the noted owner all is well.
        """

    async def end(self, session_id: str, tenant: str | None, expires_s: float) -> Ended | None:
        """Note that a session is ended, from any worker; its owner hears of it with its next exchange.

        None, and nothing changes, where no such session is noted or it is another tenant's (None: any will do).
        No claim is granted for `expires_s` from then: as long as a cursor of the session may be valid. Doing it
        twice is as doing it once.
        """

    async def end_own(self, claim: Claim) -> None:
        """Note that a session of this worker's is ended, as `end`, and also where nothing is noted of it.

        So the store may have been emptied since the session was noted, or away when it began: no claim is granted
        to any worker for `expires_s` from then, unless the store is emptied once more. Where another worker is
        the noted owner by now, it hears of it.
        """

    async def exchange(self, report: Report) -> News:
        """Tell and hear what there is to tell; once a second, and one at a time.

        Renews the lease. First lists no longer what ended, then lists `report.sessions` and notes each again:
        where nothing or a smaller attempt is noted it becomes this worker's; where this worker's own is noted it
        lives on; where a larger attempt is noted, or an equal one of another worker, or it was ended, a notice
        says so. What an exchange that raised carried is to be sent again.

        The counts are of what each worker last reported: up to a second old. A limit held by them may be overshot
        by one second's arrivals.
        """

    async def draw(self, draws: Sequence[Draw]) -> list[float]:
        """Take from the bucket of each of these tenants, once each, what has begun; say what is left. One at a time.

        There is one bucket for a tenant, of all workers (`bucket.py`): full where nothing is known of it, it holds a
        second's worth, but always one, and gains by the store's own clock. What began is taken though it is not
        there: less than 0 is left then, and is made good first. What was answered with StoreUnavailableError may
        have been taken, and is not to be sent again.
        """

    async def overview(self) -> Overview:
        """All live workers with their numbers, each up to a second old, and the sum that the others had served.

        The sum is kept while workers exchange, and a minute longer. A worker that is back is not in it any more.
        """

    async def page(self, after: str, limit: int, tenant: str | None) -> list[Listed]:
        """Up to `limit` sessions of live workers with ids above `after`, in the order of ids (of their UTF-8).

        Only those of `tenant`, unless None. A session is in it from its worker's first report of it to that of
        its end; one that two workers report once, with the larger attempt. Fewer than `limit`: that was all.
        """

    async def find(self, session_id: str, tenant: str | None) -> Listed | None:
        """The session as its owner last reported it; None where none does, it was ended, or is another tenant's."""

    async def owner(self, session_id: str, tenant: str | None) -> str | None:
        """The worker that has the session, or had it last, as long as that is noted; it need not live any more.

        None where nothing is noted, or it is another tenant's.
        """
