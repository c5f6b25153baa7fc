"""How long a closing connection may take to go: a peer that takes what it is owed gets time for it. Pure.

The fast transport adds each connection that closes to its `Farewells`, and sweeps them.
"""

from __future__ import annotations

from typing import Protocol

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


class Closing(Protocol):
    """A connection that was closed, and waits for its peer."""

    @property
    def unsent_bytes(self) -> int:
        """What the peer is still owed."""

    def abort(self) -> None:
        """Wait no more."""


class Farewells:
    """All that are closing; each is aborted where it does not end in time. One that ends by itself is discarded."""

    def __init__(self) -> None:
        """Nobody is going yet."""
        self._left: dict[Closing, Farewell | None] = {}

    def add(self, connection: Closing) -> None:
        """Mind this one, from the next sweep on."""
        self._left.setdefault(connection, None)

    def discard(self, connection: Closing) -> None:
        """It has gone, if it was here."""
        self._left.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Abort those whose time is over."""
        for connection, farewell in list(self._left.items()):
            if farewell is None:
                self._left[connection] = Farewell(now, connection.unsent_bytes)
            elif farewell.is_over(now, connection.unsent_bytes):
                connection.abort()
