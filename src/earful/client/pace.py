"""How fast audio may be sent: below a server's `max_speed`, counted from the session's beginning. Pure.

Guarantees that a session, replays included, is never ahead of what docs/protocol.md, 4108, allows, and that
one which is behind after an outage catches up without waiting. Called by `Call` around each chunk.
"""

from __future__ import annotations

MARGIN = 0.1
"""How far below a server's `max_speed` its client stays: two clocks never agree quite."""

_SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


def bytes_per_s(encoding: str, sample_rate: int, channels: int) -> int:
    """Audio of this format in a second; an encoding that is none, which the server refuses, counts as s16le."""
    return _SAMPLE_BYTES.get(encoding, 2) * sample_rate * channels


class Pace:
    """One session's position in its audio against its age.

    `furthest_bytes` is how much was ever sent, however often some of it was sent again.
    """

    def __init__(self, audio_bytes_per_s: int) -> None:
        self.furthest_bytes = 0
        self._audio_bytes_per_s = audio_bytes_per_s
        self._position_bytes = 0
        self._began: float | None = None
        self._bytes_per_s = 0.0

    def begin(self, max_speed: float, position_bytes: int, now: float, *, is_new: bool) -> None:
        """`started` came: the audio goes on at this position. 0 is no limit; the age is that of a new session's."""
        self._bytes_per_s = max_speed * (1 - MARGIN) * self._audio_bytes_per_s
        self._position_bytes = position_bytes
        self._began = now if is_new or self._began is None else self._began

    def wait_s(self, now: float) -> float:
        """How long the next chunk has to wait."""
        if not self._bytes_per_s or self._began is None:
            return 0.0
        return max(0.0, self._began + self._position_bytes / self._bytes_per_s - now)

    def sent(self, size_bytes: int) -> None:
        """A chunk was sent."""
        self._position_bytes += size_bytes
        self.furthest_bytes = max(self.furthest_bytes, self._position_bytes)
