"""When a connection that stands is given up: audio is outstanding, a ping was sent, nothing came. Pure.

Guarantees that a peer which sends anything at all, a pong included, is given up only where it owes a promised
answer (`started`, `flushed`, the last final) for `answer_s`. Called by `Client`'s watch over each connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Verdict(Enum):
    """What is to be done about a silent peer."""

    WELL = auto()
    PING = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Patience:
    """A client's deadlines, in seconds."""

    connect_s: float = 5.0
    """For one try to connect."""
    begin_s: float = 10.0
    """For a session to begin, all tries together; an address where nobody listens is tried once."""
    ping_after_s: float = 1.0
    """Of silence, while audio is outstanding, before a ping."""
    pong_s: float = 2.0
    """For anything to come after a ping."""
    answer_s: float = 60.0
    """For a promised answer, while pongs come."""
    full_s: float = 60.0
    """That `send` waits for room."""


MOST_DOUBLINGS: Final = 4
"""A server that holds its reading back answers no ping and is well: who gave it up in vain waits longer."""


class Silence:
    """How long one peer has been silent."""

    def __init__(self, patience: Patience, now: float, vain_tries: int = 0) -> None:
        """`vain_tries`: connections in a row that were given up before the session moved on."""
        self._ping_after_s = patience.ping_after_s
        self._pong_s = patience.pong_s * 2 ** min(vain_tries, MOST_DOUBLINGS)
        self._answer_s = patience.answer_s
        self.sound_at = now
        """When the peer last owed nothing at all."""
        self._heard_at = now
        self._answered_at = now
        self._pinged_at: float | None = None
        self._spoke_at: float | None = None

    def spoke(self, now: float) -> None:
        """Audio was sent, and is outstanding until a pong proves that the peer had it.

        Not until its answer: pings count against `idle_timeout_s`, and who is silent for ever wants no session.
        """
        self._spoke_at = now

    def heard(self, now: float) -> None:
        """A message came."""
        self._heard_at = self._answered_at = now
        self._pinged_at = None

    def ponged(self, asked_at: float, now: float) -> None:
        """The peer lives, and has what was said before the ping of `asked_at`."""
        if self._spoke_at is not None and self._spoke_at < asked_at:
            self._spoke_at = None
        self._heard_at = now
        self._pinged_at = None

    def look(self, now: float, *, is_promised: bool) -> Verdict:
        """Judge the peer, which may owe an answer that must come soon."""
        if not is_promised:
            self._answered_at = now
        elif now - self._answered_at >= self._answer_s:
            return Verdict.GONE
        if self._spoke_at is None and not is_promised:
            self._heard_at = self.sound_at = now
            return Verdict.WELL
        if self._pinged_at is not None:
            return Verdict.GONE if now - self._pinged_at >= self._pong_s else Verdict.WELL
        if now - self._heard_at < self._ping_after_s:
            return Verdict.WELL
        self._pinged_at = now
        return Verdict.PING
