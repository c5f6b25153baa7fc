"""Who may go on with which session: what a registry asks, and the answers of a worker that stands alone.

`LocalClaims` knows what this worker saw. A directory that all workers share is asked in the same way; while
it cannot be reached it grants, since a cursor says all that going on needs.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from earful.session.claim import Claim, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_NOTES = 100_000
"""Sessions remembered; the one noted longest ago is forgotten first."""


class Claims(Protocol):
    """A directory of sessions, as far as claims go."""

    def claim(self, claim: Claim) -> Verdict | Awaitable[Verdict]:
        """Note owner and attempt, in one step, where the attempt is larger than the noted one; say what came of it.

        At once where that takes no wait. A registry waits for no more than `CLAIM_WITHIN_S`, and then goes on.
        """

    def delete(self, claim: Claim) -> None:
        """Note that the session which this claim brought here can never be resumed."""


class _Note(NamedTuple):
    """The greatest attempt granted, or that there shall be none; until when cursors of the session can be used."""

    attempt: int
    is_deleted: bool
    until_s: float


class LocalClaims:
    """The sessions that this worker began, went on with or deleted, as long as their cursors live."""

    def __init__(self, clock: Callable[[], float], max_notes: int = MAX_NOTES) -> None:
        """Nothing is known; times are in the seconds of `clock`."""
        self._clock = clock
        self._max_notes = max_notes
        self._notes: OrderedDict[str, _Note] = OrderedDict()

    def __len__(self) -> int:
        """How many sessions are remembered."""
        return len(self._notes)

    def claim(self, claim: Claim) -> Verdict:
        """See `Claims`; answers at once."""
        noted = self._notes.get(claim.session_id)
        if noted is not None and noted.is_deleted:
            return Verdict.DELETED
        if noted is not None and claim.attempt <= noted.attempt:
            return Verdict.SUPERSEDED
        self._note(claim.session_id, _Note(claim.attempt, is_deleted=False, until_s=self._clock() + claim.life_s))
        return Verdict.GRANTED

    def delete(self, claim: Claim) -> None:
        """See `Claims`."""
        self.learn_deleted(claim.session_id, claim.life_s)

    def learn_deleted(self, session_id: str, life_s: float) -> None:
        """Grant nothing of a session, here or not, whose cursors live no longer than `life_s`."""
        self._note(session_id, _Note(0, is_deleted=True, until_s=self._clock() + life_s))

    def _note(self, session_id: str, note: _Note) -> None:
        """Remember it as the newest; make room for it among those whose cursors are dead, or that are oldest."""
        self._notes.pop(session_id, None)
        while self._notes and (len(self._notes) >= self._max_notes or self._oldest.until_s <= self._clock()):
            self._notes.popitem(last=False)
        self._notes[session_id] = note

    @property
    def _oldest(self) -> _Note:
        return next(iter(self._notes.values()))
