"""An open utterance as the parent of a model's processes keeps it, so that it can be run again elsewhere. Pure.

Guarantees that a run again starts from the utterance's first sample, and that no client is told a fragment twice.
Holds at most `max_utterance_s` of audio, for no utterance is longer, and `MAX_TEXT_CHARS` of text.
Owned by `processes.py`.
"""

from __future__ import annotations

from typing import Final

from earful.models.types import MAX_TEXT_CHARS

DEATHS_ALLOWED: Final = 1
"""Of processes that heard this utterance alone; the next makes it a poison, and it fails."""


class Kept:
    """One lane's open utterance: its audio since the beginning, and what was told of it."""

    __slots__ = ("_audio", "_deaths", "_is_suspect", "_said", "_told", "audio_bytes", "is_lost", "lane")

    def __init__(self, lane: int) -> None:
        """Nothing is open. `lane` is a number of its own."""
        self.lane = lane
        self.audio_bytes = 0
        """What is kept now."""
        self.is_lost = False
        """The process that had heard what is kept is gone."""
        self._audio: list[bytes] = []
        self._told = ""
        self._said = ""
        self._deaths = 0
        self._is_suspect = False

    @property
    def must_be_alone(self) -> bool:
        """A process died over this one and others together: until one has heard it, it shares no step."""
        return self._is_suspect

    def to_hear(self, pcm: bytes) -> bytes:
        """What a process must hear for `pcm`: all of the utterance so far where it has to be run again."""
        return b"".join((*self._audio, pcm)) if self.is_lost else pcm

    def heard(self, pcm: bytes, text: str) -> str:
        """Note that `pcm` went well and what was answered; the part of it that is news to the client.

        Of an utterance that is run again nothing is news before it has caught up; where it then says something
        else, nothing is until its final, which replaces all; nor what is beyond `MAX_TEXT_CHARS`.
        """
        self._audio.append(pcm)
        self.audio_bytes += len(pcm)
        self._said = (text if self.is_lost else self._said + text)[:MAX_TEXT_CHARS]
        self.is_lost = self._is_suspect = False
        if not self._said.startswith(self._told):
            return ""
        news = self._said[len(self._told) :]
        self._told = self._said
        return news

    def lose(self) -> None:
        """The process that heard it is gone: the next one hears all of it."""
        self.is_lost = bool(self._audio)

    def blame(self, *, alone: bool) -> bool:
        """The process died while it heard this one; whether that is enough, and the utterance fails.

        In a step with others it may have been any of them: each is heard alone then, and dying alone tells.
        """
        if not alone:
            self._is_suspect = True
            return False
        self._deaths += 1
        return self._is_suspect or self._deaths > DEATHS_ALLOWED

    def end(self) -> None:
        """The utterance is over, or has failed: the next audio begins another."""
        self._audio = []
        self.audio_bytes = self._deaths = 0
        self._told = self._said = ""
        self.is_lost = self._is_suspect = False
