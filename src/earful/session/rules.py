"""What a session listens by and is bound by: two frozen values, equal for all sessions of a worker.

Workers with equal `ListeningRules` give equal finals for equal audio; `SessionLimits` never change
what is heard, only how much of it is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from earful.models.types import MODEL_RATE_HZ

BYTES_PER_MS: Final = MODEL_RATE_HZ * 2 // 1000
UNBELIEVED_MS: Final = 100
"""After a mark the VAD hears this much without being believed: a fresh one takes steady noise for speech."""
SILENT_SPAN_MS: Final = 10_000
"""In silence a mark is made when this much has passed since the last one ..."""
SILENT_LOOKBACK_MS: Final = 500
"""... and lies this far back."""
_KEEP_STEP_MS: Final = 5_000


@dataclass(frozen=True)
class ListeningRules:
    """How utterances are cut: docs/protocol.md, What counts as speech.

    Derived figures are in frames of the VAD or bytes of model PCM.
    """

    aggressiveness: int = 2
    frame_ms: int = 20
    onset_frames: int = 3
    onset_window: int = 5
    pre_roll_ms: int = 200
    hangover_ms: int = 200
    endpoint_silence_ms: int = 600
    max_utterance_s: float = 30.0

    # Derived once, not at each use: most of them are looked at for every chunk.
    frame_bytes: int = field(init=False, repr=False, compare=False)
    """One VAD frame."""
    unbelieved_frames: int = field(init=False, repr=False, compare=False)
    """Frames after a mark that are fed to the VAD and not believed."""
    endpoint_frames: int = field(init=False, repr=False, compare=False)
    """Frames without speech that end an utterance."""
    silent_frames: int = field(init=False, repr=False, compare=False)
    """Frames without an utterance after which a mark is made."""
    onset_mask: int = field(init=False, repr=False, compare=False)
    """Bits of the frames that the onset rule looks at."""
    pre_roll_bytes: int = field(init=False, repr=False, compare=False)
    """Audio before the first speech frame that the model hears."""
    hangover_bytes: int = field(init=False, repr=False, compare=False)
    """Audio after the last speech frame that the model hears."""
    quiet_bytes: int = field(init=False, repr=False, compare=False)
    """Audio kept while nobody speaks: what an onset may still reach back to."""
    max_bytes: int = field(init=False, repr=False, compare=False)
    """The most audio of one utterance that the model hears."""

    def __post_init__(self) -> None:
        """Derive the rest."""
        frame_bytes, pre_roll_bytes = self.frame_ms * BYTES_PER_MS, self.pre_roll_ms * BYTES_PER_MS
        derived = {
            "frame_bytes": frame_bytes,
            "unbelieved_frames": self.frames(UNBELIEVED_MS),
            "endpoint_frames": self.frames(self.endpoint_silence_ms),
            "silent_frames": self.frames(SILENT_SPAN_MS),
            "onset_mask": (1 << self.onset_window) - 1,
            "pre_roll_bytes": pre_roll_bytes,
            "hangover_bytes": self.hangover_ms * BYTES_PER_MS,
            "quiet_bytes": pre_roll_bytes + self.onset_window * frame_bytes,
            "max_bytes": int(self.max_utterance_s * 1000) * BYTES_PER_MS,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def frames(self, duration_ms: float) -> int:
        """The fewest whole frames that last at least this long."""
        return -int(-duration_ms // self.frame_ms)

    def keep_audio_s(self, max_buffered_ms: int) -> int:
        """The most audio that a connected client keeps beyond its newest cursor, rounded up to 5 s."""
        kept_ms = SILENT_SPAN_MS + self.max_utterance_s * 1000 + self.endpoint_silence_ms + max_buffered_ms
        return -int(-kept_ms // _KEEP_STEP_MS) * _KEEP_STEP_MS // 1000


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds on one session; every one has an answer in docs/protocol.md, Close codes and Error codes."""

    idle_timeout_s: float = 60.0
    handshake_timeout_s: float = 10.0
    """How long a client on a place for resumed sessions may take to resume one."""
    max_session_s: float = 14_400.0
    max_speed: float = 4.0
    """Times real time; 0 switches the check off."""
    max_chunk_ms: int = 10_000
    max_buffered_ms: int = 5_000
    max_message_bytes: int = 1 << 20
    stall_timeout_s: float = 120.0
    resume_window_s: float = 120.0
    """How long after a drop a client goes on trying."""

    @property
    def cursor_life_s(self) -> float:
        """How long after the session's beginning its cursors can be used."""
        return self.max_session_s + self.resume_window_s
