"""Who may go on with which session, where all workers share a directory: its word, or this worker's own without it.

Guarantees that a session waits for no store that is away: then the cursor and what this worker saw decide, and
the next exchange notes what came of it (`presence.py`). Built by `app.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from earful.session.claim import Claim, Verdict
from earful.store.directory import StoreUnavailableError
from earful.store.values import Claim as StoreClaim
from earful.store.values import Verdict as StoreVerdict

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from earful.service.claims import LocalClaims
    from earful.store.directory import Directory
    from earful.telemetry.metrics import Metrics

MOST_UNREPORTED = 10_000
"""Sessions that wait for their first report, live or gone; a `DELETE` elsewhere takes those on top to be live."""
MOST_UNTOLD = 10_000
"""Deletions kept for a store that is away; what comes on top only this worker knows."""
MOST_TOLD = 100
"""Of these, how many an exchange tells: one after another, they are not to keep it from renewing the lease."""
TELL_REST_S = 2.0
"""How long a worker that ends goes on telling them."""


class SharedClaims:
    """The claims of this worker's sessions, among those of all workers."""

    def __init__(self, directory: Directory, local: LocalClaims, metrics: Metrics, expires_s: float) -> None:
        """Ask `directory`, and `local` first; a note there lasts `expires_s` from when it was last reported."""
        self.directory = directory
        self.expires_s = expires_s
        self._local = local
        self._metrics = metrics
        self._untold: dict[str, Claim] = {}
        self.unreported: dict[str, None] = {}
        """Sessions that were granted to this worker and that the directory waits to hear of, the oldest first."""

    def claim(self, claim: Claim) -> Verdict | Awaitable[Verdict]:
        """See `Claims`; what this worker knows to be lost is refused at once."""
        verdict = self._local.claim(claim)
        return verdict if verdict is not Verdict.GRANTED else self._ask(claim)

    def delete(self, claim: Claim) -> None:
        """See `Claims`; the directory hears of it by `tell`, or else with the next exchange."""
        self._local.delete(claim)
        if len(self._untold) < MOST_UNTOLD:
            self._untold[claim.session_id] = claim

    def learn_ended(self, session_id: str, life_s: float) -> None:
        """The directory says that the session was ended."""
        self._local.learn_deleted(session_id, life_s)

    async def tell(self, session_id: str) -> None:
        """Tell the directory that this one was deleted here, unless it is being told.

        Raises StoreUnavailableError; an exchange tells it then.
        """
        claim = self._untold.pop(session_id, None)  # Nobody tells it a second time meanwhile.
        if claim is None:
            return
        try:
            await self.directory.end_own(StoreClaim(session_id, claim.tenant, claim.attempt, claim.life_s))
        except BaseException:
            self._untold.setdefault(session_id, claim)
            raise

    async def tell_some(self) -> None:
        """Tell those deleted first; the others have their turn with the next exchange. Raises as `tell` does."""
        for session_id in list(islice(self._untold, MOST_TOLD)):
            await self.tell(session_id)

    async def tell_rest(self) -> None:
        """Tell all of them, in the time there is when the worker ends; what the store does not take then is lost."""
        with suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(TELL_REST_S):
                while self._untold:
                    await self.tell_some()

    async def _ask(self, claim: Claim) -> Verdict:
        try:
            verdict = await self.directory.claim(
                StoreClaim(claim.session_id, claim.tenant, claim.attempt, self.expires_s)
            )
        except StoreUnavailableError:
            self._metrics.claims_undecided += 1
            return Verdict.GRANTED
        if verdict is StoreVerdict.GRANTED:
            self._expect(claim.session_id)
        if verdict is StoreVerdict.ENDED:
            self.learn_ended(claim.session_id, claim.life_s)
            return Verdict.DELETED
        # A start's id was drawn here, so what is noted for it is this worker's own report of it.
        is_lost = verdict is StoreVerdict.SUPERSEDED and claim.attempt > 0
        return Verdict.SUPERSEDED if is_lost else Verdict.GRANTED

    def _expect(self, session_id: str) -> None:
        """Have it reported once, even if it is gone by then."""
        if len(self.unreported) >= MOST_UNREPORTED:
            self.unreported.pop(next(iter(self.unreported)))
        self.unreported[session_id] = None
