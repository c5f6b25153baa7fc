"""The way out of one connection: finals always, at most one unsent partial, and a bound on both.

A partial waits while anything before it is unsent; a newer one takes its place, and a final of its
utterance makes it needless. The sweep asks `is_overdue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.protocol.codec import encode

if TYPE_CHECKING:
    from earful.protocol.messages import Partial
    from earful.service.wire import Wire


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """What may stay unsent: bytes, and seconds for the oldest of them."""

    max_unsent_bytes: int = 1 << 20
    max_unsent_s: float = 10.0


class Outbox:
    """Sends to one wire and knows what the peer has not taken."""

    __slots__ = ("_limits", "_partial", "_probe_at", "_probe_bytes", "_queued_bytes", "_wire", "partials_dropped")

    def __init__(self, wire: Wire, limits: OutboxLimits) -> None:
        """Nothing is unsent."""
        self._wire = wire
        self._limits = limits
        self.partials_dropped = 0
        """Partials that were never given to the wire."""
        self._partial: Partial | None = None
        self._queued_bytes = 0
        self._probe_at: float | None = None
        self._probe_bytes = 0

    @property
    def unsent_bytes(self) -> int:
        """What the wire has not given to the kernel."""
        return self._wire.unsent_bytes

    def send_partial(self, partial: Partial, now: float) -> None:
        """Send a partial, or keep it until the wire is free; it takes the place of one that waits."""
        if self._partial is not None:
            self.partials_dropped += 1
        if self._wire.unsent_bytes:
            self._partial = partial
        else:
            self._partial = None
            self.send(encode(partial), now)

    def send(self, text: bytes, now: float) -> None:
        """Queue a message that is never dropped."""
        wire = self._wire
        wire.send(text)
        self._queued_bytes += len(text)
        if self._probe_at is None and wire.unsent_bytes:
            self._watch(now)

    def send_final(self, text: bytes, index: int, now: float) -> None:
        """Queue a final; a partial of its utterance that still waits is replaced by it."""
        if self._partial is not None and self._partial.index <= index:
            self._partial = None
            self.partials_dropped += 1
        self.send(text, now)

    def drained(self) -> None:
        """The wire is free: what waited for it goes out."""
        self._probe_at = None
        partial, self._partial = self._partial, None
        if partial is not None:
            self._queued_bytes += len(text := encode(partial))
            self._wire.send(text)

    def close(self) -> None:
        """Nothing more is sent: a partial that waits is dropped."""
        self.partials_dropped += self._partial is not None
        self._partial = None

    def is_overdue(self, now: float) -> bool:
        """Whether more is unsent than may be, or the oldest of it for longer than it may be."""
        unsent = self._wire.unsent_bytes
        if not unsent:
            self.drained()
            return False
        if unsent > self._limits.max_unsent_bytes:
            return True
        if self._probe_at is None or self._queued_bytes - unsent >= self._probe_bytes:
            # All that was unsent when the watch began has gone; watch what is unsent now.
            self._watch(now)
            return False
        return now - self._probe_at > self._limits.max_unsent_s

    def _watch(self, now: float) -> None:
        self._probe_at = now
        self._probe_bytes = self._queued_bytes
