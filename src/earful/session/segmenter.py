"""Cuts 16 kHz PCM into utterances, from one mark to the next.

Pure: what it decides depends on the audio since the mark alone, never on how it was cut into chunks.
One segmenter lives from mark to mark; `Listener` makes the next one and feeds it again whatever was
heard beyond the mark. The rules: docs/protocol.md, What counts as speech and Resuming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from earful.audio.vad import Vad
from earful.session.rules import BYTES_PER_MS, SILENT_LOOKBACK_MS, ListeningRules

CutReason = Literal["silence", "max_length"]
_WORTH_COPYING_BYTES: Final = 4_096
"""A piece with more than this before the needed part is cut, so that a long chunk is not kept for its end."""


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
        "_frames",
        "_heard_until",
        "_history",
        "_inside_speech",
        "_kept",
        "_kept_at",
        "_kept_bytes",
        "_rest",
        "_rules",
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
        self._frames = 0
        self._history = 0
        self._kept: list[bytes] = []
        """Judged audio that may still be asked for, as it came: joined only where somebody asks across its pieces."""
        self._kept_at = 0
        self._kept_bytes = 0
        self._rest = b""
        """What is less than a frame yet."""
        self._heard_until = 0
        self.is_open = False
        self.begin = 0
        self.speech_begin = 0
        self.speech_end = 0

    @property
    def end(self) -> int:
        """All the audio pushed so far."""
        return self._kept_at + self._kept_bytes + len(self._rest)

    @property
    def buffered_bytes(self) -> int:
        """PCM held."""
        return self._kept_bytes + len(self._rest)

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
        audio = self._rest + pcm if self._rest else pcm
        frame_bytes = self._rules.frame_bytes
        verdicts = self._vad.judge(audio, 0, frame_bytes)
        self._keep(audio, len(verdicts) * frame_bytes)
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
        begin, end = self._heard_until - self._kept_at, limit - self._kept_at
        one = len(self._kept) == 1 and end <= self._kept_bytes
        heard = (self._kept[0] if one else b"".join([*self._kept, self._rest]))[begin:end]
        self._heard_until = limit
        self._forget()
        return heard

    def _keep(self, audio: bytes, judged_bytes: int) -> None:
        """Part what is judged from what is less than a frame; a chunk of whole frames is not copied."""
        self._rest = audio[judged_bytes:]
        if judged_bytes:
            self._kept.append(audio[:judged_bytes])
            self._kept_bytes += judged_bytes

    def _forget(self) -> None:
        """Drop audio that nothing can ask for any more, so that memory stays bounded."""
        if self.is_open:
            keep_from = self._heard_until
        elif self._inside_speech:
            keep_from = 0
        else:
            keep_from = self._frames * self._rules.frame_bytes - self._rules.quiet_bytes
        kept = self._kept
        while kept and keep_from - self._kept_at >= len(kept[0]):
            self._drop(len(kept.pop(0)))
        needless = keep_from - self._kept_at
        if needless > _WORTH_COPYING_BYTES and kept:
            kept[0] = kept[0][needless:]
            self._drop(needless)

    def _drop(self, size_bytes: int) -> None:
        self._kept_at += size_bytes
        self._kept_bytes -= size_bytes

    def _open(self, *, begin: int, speech_begin: int) -> None:
        self.is_open = True
        self.begin = self._heard_until = begin
        self.speech_begin = speech_begin

    def _decide(self, speech: bool) -> Mark | None:  # noqa: FBT001 - called for every frame
        # No method kept in place of this choice: it would hold the segmenter until the collector comes.
        if self.is_open:
            return self._decide_open(speech)
        return self._decide_continuing(speech) if self._inside_speech else self._decide_quiet(speech)

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
