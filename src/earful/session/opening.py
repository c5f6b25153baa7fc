"""A session until it has begun: what its `start` asks for, while the directory decides about it. Pure.

Owned by `Session`, which neither answers nor wants input while `terms` wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.protocol.cursor import Cursor
from earful.session.claim import Claim
from earful.session.greeting import terms_of

if TYPE_CHECKING:
    from earful.protocol.messages import Start
    from earful.protocol.seal import Seal
    from earful.session.greeting import Terms
    from earful.session.rules import SessionLimits


class Opening:
    """How one session begins, or goes on. Without a seal nothing can be resumed."""

    __slots__ = (
        "_began_at",
        "_claim",
        "_limits",
        "_unix_s",
        "is_returning",
        "seal",
        "tenant",
        "terms",
    )

    def __init__(self, limits: SessionLimits, seal: Seal | None, *, now: float, unix_s: int) -> None:
        """The client is here since `now`, which is `unix_s` by the calendar."""
        self.seal = seal
        self.tenant = ""
        self.is_returning = False
        """The client has said that it will resume a session: it has a cursor."""
        self.terms: Terms | None = None
        """What waits for the directory's verdict."""
        self._claim: Claim | None = None
        self._limits = limits
        self._began_at = now
        self._unix_s = unix_s

    @property
    def has_cursor(self) -> bool:
        """Whether the client, without a session yet, could go on elsewhere."""
        return self.is_returning or (self.terms is not None and self.terms.attempt > 0)

    def ask(self, start: Start, session_id: str, now: float) -> None:
        """Take in a `start`; its claim is to be taken to the directory.

        Raises EarfulError: `unsupported_format`; `resume_failed`, the same for whatever is wrong with a cursor.
        """
        fresh = Cursor(session_id, self._unix_s, self.tenant)
        self.terms = terms_of(start, fresh, self.seal, self._limits)
        left_s = self._limits.cursor_life_s - self.terms.age_s - (now - self._began_at)
        self._claim = Claim(self.terms.cursor.session_id, self.tenant, self.terms.attempt, left_s)

    def take_claim(self) -> Claim | None:
        """What the directory is to be asked, once."""
        claim, self._claim = self._claim, None
        return claim

    def take_terms(self) -> Terms | None:
        """What was decided about; None where nothing waited."""
        terms, self.terms = self.terms, None
        return terms
