"""What one session amounted to, for its log line, the session routes and the metrics."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Numbers:
    """What one session amounted to; times in ms of audio, `model_s` in seconds of model time."""

    audio_bytes: int = 0
    audio_ms: int = 0
    """The session's, also what other connections heard of it before ..."""
    resumed_ms: int = 0
    """... up to where this one went on."""
    speech_ms: int = 0
    chunks: int = 0
    partials: int = 0
    finals: int = 0
    errors: int = 0
    model_s: float = 0.0

    def as_dict(self) -> dict[str, int | float]:
        """All figures by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def heard_ms(self) -> int:
        """Audio that this connection heard."""
        return max(0, self.audio_ms - self.resumed_ms)

    def add_chunk(self, size_bytes: int, audio_ms: int) -> None:
        """One more chunk; with it the session has `audio_ms` of audio."""
        self.chunks += 1
        self.audio_bytes += size_bytes
        self.audio_ms = audio_ms
