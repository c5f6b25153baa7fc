"""How far ahead of real time a session may run: docs/protocol.md, Close codes, 4108. Pure; `now` is an argument.

Owned by `Session`, which asks after each chunk. Guarantees that a replay is never too fast by fault of a clock:
neither the one by which the session's beginning is known, nor ours.
"""

from __future__ import annotations

from typing import Final

ALLOWANCE_S: Final = 30
"""Audio a session may be ahead of its greatest speed."""


class Speed:
    """The greatest speed of one session, and the moment from which it counts."""

    __slots__ = ("_from", "_most")

    def __init__(self, most: float, now: float) -> None:
        """At most `most` times real time from `now` on; 0 is no limit."""
        self._most = most
        self._from = now

    def resume(self, began_at: float, audio_ms: int, now: float) -> None:
        """The session began earlier, with so much audio since: `began_at`, but never later than that took."""
        if self._most:
            self._from = min(began_at, now - audio_ms / 1000 / self._most)

    def is_exceeded(self, audio_ms: int, now: float) -> bool:
        """Whether there is more audio by now than there may be."""
        return self._most > 0 and audio_ms > (self._most * (now - self._from) + ALLOWANCE_S) * 1000
