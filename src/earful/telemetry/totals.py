"""What sessions amounted to, as one worker's sum that only grows. Plain numbers; the service adds them up.

Used by `metrics.py` for sessions that ended, and by the scrape for those that are live.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Totals:
    """Of any number of sessions: chunks and ms of audio that came, ms of speech found, results that were told.

    A result is told when it is given to the socket. `partials_dropped` were made and are not among `partials`: a
    newer one, or the final, took their place while the client did not read.
    """

    chunks: int = 0
    audio_ms: int = 0
    speech_ms: int = 0
    partials: int = 0
    partials_dropped: int = 0
    finals: int = 0

    def add(self, other: Totals) -> None:
        """Take in what another sum holds."""
        # Written out: a scrape does it for every live session.
        self.chunks += other.chunks
        self.audio_ms += other.audio_ms
        self.speech_ms += other.speech_ms
        self.partials += other.partials
        self.partials_dropped += other.partials_dropped
        self.finals += other.finals

    def plus(self, other: Totals) -> Totals:
        """Both together, as a new sum."""
        both = Totals()
        both.add(self)
        both.add(other)
        return both
