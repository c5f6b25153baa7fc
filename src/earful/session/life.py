"""A session's life: where it stands, how long it may, what it says, and how it ends. Pure.

Every change of state is here, by the one table; the base of `Session`, which adds what is listened to. A
session ends once: by a fatal error, by being lost, or when all is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.errors import ERRORS, CloseCode, EarfulError, ErrorCode
from earful.protocol.states import TRANSITIONS, Input, State
from earful.session.deadlines import Deadlines
from earful.session.endings import CAUSES, ENDINGS, Close
from earful.session.numbers import Numbers
from earful.session.replies import Replies

if TYPE_CHECKING:
    from earful.protocol.messages import ServerMessage
    from earful.session.rules import SessionLimits

_BEGINNINGS = frozenset({Input.AUDIO, Input.START, Input.STOP})
"""What a client may begin with."""


class Life:
    """State, timers, close and replies of one session."""

    __slots__ = ("_deadlines", "_replies", "closing", "must_resume", "numbers", "opted_in", "state")

    def __init__(self, limits: SessionLimits, now: float) -> None:
        """Begin in CREATE at `now`."""
        self._deadlines = Deadlines(limits, now)
        self.state = State.CREATE
        self.opted_in = False
        self.must_resume = False
        """Its place is one for resumed sessions only; it may begin with nothing else."""
        self.closing: Close | None = None
        self.numbers = Numbers()
        self._replies = Replies(self.numbers)

    @property
    def due(self) -> float:
        """The session's `tick` has nothing to do before this."""
        return self._deadlines.due

    def demand_resume(self) -> None:
        """Its place is one for resumed sessions only: it may begin with nothing else, and soon. To be said at once."""
        self.must_resume = True
        self._deadlines.reserve()

    def touch(self, now: float) -> None:
        """The client gave a sign of life that is no message."""
        self._deadlines.heard(now)

    @property
    def is_held(self) -> bool:
        """Whether the server does not read this client now."""
        return self._deadlines.is_held

    def hold(self, now: float) -> None:
        """The server stops reading this client, and judging it."""
        self._deadlines.hold(now)

    def release(self, now: float) -> None:
        """The server reads this client again."""
        self._deadlines.release(now)

    def take_messages(self) -> list[ServerMessage]:
        """What the client is to be told, in order; results are stamped by who sends them."""
        return self._replies.take()

    def fail(
        self,
        code: ErrorCode,
        *,
        close_code: CloseCode | None = None,
        number: int | None = None,
        expected: int | None = None,
    ) -> None:
        """End at once, by a fatal error; what was owed is not answered on this connection."""
        if self.state is State.CLOSED:
            return
        self._step(CAUSES.get(code, Input.FATAL))
        self._replies.complain(EarfulError(code), number, fatal=True, expected=expected)
        self.closing = Close(close_code or ERRORS[code].close_code, code.value)

    def lose(self, reason: str) -> None:
        """The connection is gone: nothing more can be said."""
        if self.state is not State.CLOSED:
            self._step(Input.GONE)
            self.closing = Close(CloseCode.GOING_AWAY, reason)

    def _step(self, happening: Input) -> bool:
        """Change state by the table; True where the session was still listening, so that it should act."""
        listening = self.state is State.CREATE or self.state is State.ACTIVE
        after = TRANSITIONS[self.state].get(happening)
        if after is None:
            self.fail(ErrorCode.UNEXPECTED_MESSAGE)
            return False
        if self.must_resume and happening in _BEGINNINGS:
            self.fail(ErrorCode.OVERLOADED)
            return False
        self.state = after
        return listening

    def _is_opted_in(self, close_code: CloseCode | None = None) -> bool:
        """Whether `start` was accepted; a message that needs it and comes without ends the connection."""
        if not self.opted_in and self.state in (State.CREATE, State.ACTIVE):
            self.fail(ErrorCode.UNEXPECTED_MESSAGE, close_code=close_code)
        return self.opted_in

    def _complain(self, mistake: EarfulError, number: int | None = None, *, expected: int | None = None) -> None:
        """Tell the client of an error that is not fatal by itself; one counted mistake too many is."""
        if self._replies.complain(mistake, number, expected=expected):
            self._step(Input.FATAL)
            self.closing = Close(CloseCode.POLICY, "too_many_mistakes")

    def _finish(self, farewell: Input) -> None:
        """All is answered: end as this one does."""
        _, code, self.closing = ENDINGS[farewell]
        self._step(Input.ANSWERED)
        if code is not None:
            self._replies.complain(EarfulError(code), fatal=True)
