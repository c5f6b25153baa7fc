"""How long a closing connection may take to go: a peer that takes what it is owed gets time for it. Pure.

The fast transport keeps one for each connection that is closing, and its sweep asks it.
"""

from __future__ import annotations

LINGER_S = 2.0
"""How long a closed connection waits for the peer to answer the close, or to take more of what is unsent ..."""
UNSENT_LINGER_S = 8.0
"""... and how long to take all of it."""


class Farewell:
    """How long a closing connection has left: `LINGER_S`, and again while its peer goes on taking what it is owed."""

    __slots__ = ("_gives_up_at", "_looks_at", "_unsent_bytes")

    def __init__(self, now: float, unsent_bytes: int) -> None:
        """Begin `now`, in monotonic seconds."""
        self._unsent_bytes = unsent_bytes
        self._looks_at = now + LINGER_S
        self._gives_up_at = now + UNSENT_LINGER_S

    def is_over(self, now: float, unsent_bytes: int) -> bool:
        """Whether to wait no more."""
        if now < self._looks_at:
            return False
        went_on = unsent_bytes < self._unsent_bytes
        self._unsent_bytes = unsent_bytes
        self._looks_at = now + LINGER_S
        return not went_on or now >= self._gives_up_at
