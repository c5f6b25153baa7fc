"""One open utterance of a model that must hear it whole: its audio so far, and when to run again over it. Pure.

Guarantees that all runs before the end together hear at most `growth / (growth - 1)` times the utterance's audio:
each hears at least `growth` times what the one before it heard. Models that are not incremental hold one a session.
"""

from __future__ import annotations

from typing import Final

from earful.models.agreement import Agreement
from earful.models.types import MODEL_RATE_HZ

_BYTES_PER_MS: Final = MODEL_RATE_HZ * 2 // 1000
FIRST_MS: Final = 800
"""Less says too little; and audio that comes in such pieces is an upload, or lags: nobody waits for its fragments."""
GROWTH: Final = 1.5


class Draft:
    """The audio of one utterance after another, at most `max_utterance_s` of it, 32 kB a second."""

    __slots__ = ("_agreement", "_audio", "_due_bytes", "_growth", "_is_live")

    def __init__(self, growth: float = GROWTH) -> None:
        """Run again when there is `growth` times the audio; raises ValueError unless it is above 1."""
        if not growth > 1:
            raise ValueError("growth must be above 1: each run hears so many times the audio of the last")
        self._growth = growth
        self._due_bytes: float = 0
        self._begin()

    @property
    def is_due(self) -> bool:
        """Whether a run over the audio so far is worth its price."""
        return self._is_live and len(self._audio) >= self._due_bytes

    def hear(self, audio: bytes) -> None:
        """Keep `audio`, 16 kHz mono s16le."""
        self._is_live = 0 < len(audio) < FIRST_MS * _BYTES_PER_MS
        self._audio += audio

    def take(self) -> bytes:
        """All audio so far, for a run whose text goes to `tell`; the next one is due when enough came after it."""
        self._due_bytes = len(self._audio) * self._growth
        return bytes(self._audio)

    def tell(self, text: str) -> str:
        """The fragment that a run's text adds: what it and the run before it agree on, and was not told yet."""
        return self._agreement.tell(text)

    def finish(self) -> bytes:
        """The whole utterance; what is heard from here on is the next."""
        audio = bytes(self._audio)
        self._begin()
        return audio

    def _begin(self) -> None:
        self._audio = bytearray()
        self._due_bytes = FIRST_MS * _BYTES_PER_MS
        self._is_live = False
        self._agreement = Agreement()
