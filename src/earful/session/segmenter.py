"""Cuts 16 kHz PCM into utterances, from one mark to the next.

Pure: what it decides depends on the audio since the mark alone, never on how it was cut into chunks.
One segmenter lives from mark to mark; `Listener` makes the next one and feeds it again whatever was
heard beyond the mark. The rules are protocol sections 1 (utterances) and 5 (marks).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earful.audio.vad import Vad
from earful.session.rules import BYTES_PER_MS, SILENT_LOOKBACK_MS, ListeningRules

CutReason = Literal["silence", "max_length"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where all listening starts anew, in bytes of PCM since the mark before.

    `reason` says why the utterance ended there, or is None where none was open; `inside_speech` says
    that the next utterance goes on at the mark.
    """

    at_bytes: int
    reason: CutReason | None = None
    inside_speech: bool = False


class Segmenter:
    """Hears PCM since a mark; opens at most one utterance and ends at the next mark.

    All positions are bytes of 16 kHz mono s16le PCM since the mark. While an utterance is open,
    `begin` is its first sample that the model hears, `speech_begin` and `speech_end` are the outer
    edges of its first and last speech frame.
    """

    __slots__ = (
        "_decide",
        "_frames",
        "_heard_until",
        "_history",
        "_inside_speech",
        "_rules",
        "_tail",
        "_tail_at",
        "_vad",
        "begin",
        "is_open",
        "speech_begin",
        "speech_end",
    )

    def __init__(self, rules: ListeningRules, *, inside_speech: bool = False) -> None:
        """Start at a mark; `inside_speech` where an utterance was cut there at its greatest length."""
        self._rules = rules
        self._vad = Vad(rules.aggressiveness)
        self._inside_speech = inside_speech
        self._decide = self._decide_continuing if inside_speech else self._decide_quiet
        self._frames = 0
        self._history = 0
        self._tail = b""
        self._tail_at = 0
        self._heard_until = 0
        self.is_open = False
        self.begin = 0
        self.speech_begin = 0
        self.speech_end = 0

    @property
    def end(self) -> int:
        """All the audio pushed so far."""
        return self._tail_at + len(self._tail)

    @property
    def buffered_bytes(self) -> int:
        """PCM held."""
        return len(self._tail)

    @property
    def heard_until(self) -> int:
        """End of the audio given out by `take_heard`."""
        return self._heard_until

    @property
    def needed_from(self) -> int:
        """No later mark, and no audio still to be given out, lies before this."""
        judged = self._frames * self._rules.frame_bytes
        if self.is_open:
            return min(judged, self.speech_end + self._rules.hangover_bytes)
        if self._inside_speech:
            return min(judged, self._rules.hangover_bytes)
        silent = self._rules.silent_frames * self._rules.frame_bytes - SILENT_LOOKBACK_MS * BYTES_PER_MS
        return min(judged, silent)

    def push(self, pcm: bytes) -> Mark | None:
        """Judge more audio; stops at a mark and leaves what follows it unjudged."""
        audio = self._tail + pcm if self._tail else pcm
        self._tail = audio
        rules = self._rules
        verdicts = self._vad.judge(audio, self._frames * rules.frame_bytes - self._tail_at, rules.frame_bytes)
        if self.is_open and self._is_plain_speech(verdicts):
            return None
        for speech in verdicts:
            self._frames += 1
            mark = self._decide(speech)
            if mark is not None:
                return mark
        if not self.is_open:
            self._forget()
        return None

    def _is_plain_speech(self, verdicts: list[bool]) -> bool:
        """Take in frames of an open utterance that decide nothing: all are speech, and it is not too long yet."""
        if False in verdicts or not verdicts:
            return not verdicts
        frames = self._frames + len(verdicts)
        end = frames * self._rules.frame_bytes
        if end - self.begin >= self._rules.max_bytes:
            return False
        self._frames = frames
        self.speech_end = end
        return True

    def take_heard(self, until: int | None = None) -> bytes:
        """The open utterance's audio that the model may hear now and has not been given yet.

        That is everything up to the last speech frame and its hangover, which the model hears whatever
        comes. `until` is where the utterance was cut; without it only judged audio is given.
        """
        limit = self._frames * self._rules.frame_bytes if until is None else until
        limit = min(limit, self.speech_end + self._rules.hangover_bytes)
        if limit <= self._heard_until:
            return b""
        heard = self._tail[self._heard_until - self._tail_at : limit - self._tail_at]
        self._heard_until = limit
        self._forget()
        return heard

    def _forget(self) -> None:
        """Drop audio that nothing can ask for any more, so that memory stays bounded."""
        if self.is_open:
            keep_from = self._heard_until
        elif self._inside_speech:
            keep_from = 0
        else:
            keep_from = self._frames * self._rules.frame_bytes - self._rules.quiet_bytes
        if keep_from > self._tail_at:
            self._tail = self._tail[keep_from - self._tail_at :]
            self._tail_at = keep_from

    def _open(self, *, begin: int, speech_begin: int) -> None:
        self.is_open = True
        self.begin = self._heard_until = begin
        self.speech_begin = speech_begin
        self._decide = self._decide_open

    def _decide_quiet(self, speech: bool) -> Mark | None:  # noqa: FBT001 - called for every frame
        rules = self._rules
        if speech and self._frames > rules.unbelieved_frames:
            self._history = (self._history << 1 | 1) & rules.onset_mask
            if self._history.bit_count() >= rules.onset_frames:
                now = self._frames * rules.frame_bytes
                first = now - self._history.bit_length() * rules.frame_bytes
                self._open(begin=max(0, first - rules.pre_roll_bytes), speech_begin=first)
                self.speech_end = now
                return None
        elif self._history:
            self._history = self._history << 1 & rules.onset_mask
        if self._frames >= rules.silent_frames:
            return Mark(self._frames * rules.frame_bytes - SILENT_LOOKBACK_MS * BYTES_PER_MS)
        return None

    def _decide_continuing(self, speech: bool) -> Mark | None:  # noqa: FBT001 - called for every frame
        rules = self._rules
        now = self._frames * rules.frame_bytes
        if speech:
            self._open(begin=0, speech_begin=now - rules.frame_bytes)
            self.speech_end = now
            return None
        if self._frames >= rules.endpoint_frames:
            return Mark(rules.hangover_bytes)
        return None

    def _decide_open(self, speech: bool) -> Mark | None:  # noqa: FBT001 - called for every frame
        rules = self._rules
        now = self._frames * rules.frame_bytes
        if speech:
            self.speech_end = now
        elif now - self.speech_end >= rules.endpoint_frames * rules.frame_bytes:
            return Mark(self.speech_end + rules.hangover_bytes, "silence")
        if now - self.begin >= rules.max_bytes:
            return Mark(now, "max_length", inside_speech=now - self.speech_end < rules.hangover_bytes)
        return None
