"""The timers of a session: idle, too long, stalled. Pure; `now` is an argument, a deadline a number.

While the server does not read (`hold`) it does not judge: idle time stands still, and only
`stall_timeout_s` bounds the hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earful.protocol.states import Input

if TYPE_CHECKING:
    from earful.session.rules import SessionLimits


REPLAY_S: Final = 5.0
"""What a session that is resumed at its greatest length, or just before, still gets, for what its client kept."""


class Deadlines:
    """`due` is never later than the next timer that may have passed; most ticks end at comparing it."""

    __slots__ = ("_aged_at", "_heard_at", "_held_at", "_limits", "due")

    def __init__(self, limits: SessionLimits, now: float) -> None:
        """Begin with the session."""
        self._limits = limits
        self._aged_at = now + limits.max_session_s
        self._heard_at = now
        self._held_at: float | None = None
        self.due = min(now + limits.idle_timeout_s, self._aged_at)

    @property
    def is_held(self) -> bool:
        """Whether the server does not read now."""
        return self._held_at is not None

    def reserve(self) -> None:
        """The session is to go on from another connection before long, whatever its client says meanwhile."""
        self._aged_at = self._heard_at + self._limits.handshake_timeout_s
        self.due = min(self.due, self._aged_at)

    def resume(self, began_at: float, now: float) -> None:
        """The session began earlier, on another connection."""
        self._aged_at = max(began_at + self._limits.max_session_s, now + REPLAY_S)
        self.due = min(now + self._limits.idle_timeout_s, self._aged_at)

    def heard(self, now: float) -> None:
        """The client said something, or pinged."""
        self._heard_at = now

    def hold(self, now: float) -> None:
        """The server stops reading."""
        self._held_at = now
        self.due = min(now + self._limits.stall_timeout_s, self._aged_at)

    def release(self, now: float) -> None:
        """The server reads again; idle time counts from now."""
        self._held_at = None
        self._heard_at = now
        self.due = min(now + self._limits.idle_timeout_s, self._aged_at)

    def passed(self, now: float) -> Input | None:
        """The timer that has passed, if any; otherwise `due` moves on."""
        if now < self.due:
            return None
        if now >= self._aged_at:
            return Input.AGED
        if self._held_at is not None:
            return Input.STALLED if now >= self._held_at + self._limits.stall_timeout_s else None
        if now >= self._heard_at + self._limits.idle_timeout_s:
            return Input.IDLE
        self.due = min(self._heard_at + self._limits.idle_timeout_s, self._aged_at)
        return None
