"""Hears a session's chunks: PCM, VAD and utterance cut, from mark to mark; docs/protocol.md, Resuming.

Pure. At each mark resampler, frame grid and VAD are made new and what was heard beyond it is judged
again, so a session begun at any mark (`position`) gives what the one that ran through gives from
there on, however either was cut into chunks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earful.audio.pcm import Converter, Format
from earful.audio.wav import skip_riff
from earful.models.types import MODEL_RATE_HZ
from earful.protocol.cursor import Position
from earful.session.segmenter import Mark, Segmenter

if TYPE_CHECKING:
    from earful.protocol.messages import Reason
    from earful.session.rules import ListeningRules
    from earful.session.transcript import Transcript, Utterance

_WORTH_COPYING_BYTES: Final = 512
"""A chunk with more than this before the needed part is cut: what is kept of 500 sessions should stay in the cache."""


@dataclass(slots=True)
class _Piece:
    """Decoded bytes of one chunk from `offset` on; `at` is their place since the mark."""

    at: int
    sequence: int
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.at + len(self.data)

    def drop_before(self, place: int) -> None:
        """Forget what lies before `place`."""
        skipped = place - self.at
        if skipped > 0:
            self.at, self.offset, self.data = place, self.offset + skipped, self.data[skipped:]


class Listener:
    """Turns chunks into utterances of a transcript.

    `received_ms` is how much audio was ever sent, `position` the newest mark: a listener begun there,
    with the chunks from there on, goes on exactly like this one.
    """

    __slots__ = (
        "_converter",
        "_format",
        "_frame_bytes",
        "_header",
        "_is_native",
        "_pieces",
        "_rules",
        "_segmenter",
        "_total",
        "_transcript",
        "_utterance",
        "position",
    )

    def __init__(
        self,
        rules: ListeningRules,
        audio_format: Format,
        transcript: Transcript,
        position: Position,
        *,
        may_have_header: bool = True,
    ) -> None:
        """Begin at a mark; a RIFF header at the very beginning of the audio is skipped where it may have one."""
        self._rules = rules
        self._format = audio_format
        self._is_native = audio_format.is_native
        self._frame_bytes = audio_format.frame_bytes
        self._transcript = transcript
        self._pieces: deque[_Piece] = deque()
        self._total = 0
        self._header: bytes | None = b"" if may_have_header and position.samples == 0 else None
        self._utterance: Utterance | None = None
        self.position = position
        self._converter = Converter(audio_format)
        self._segmenter = Segmenter(rules, inside_speech=position.inside_speech)

    @property
    def received_ms(self) -> int:
        """The audio ever sent, up to the last whole sample."""
        samples = self.position.samples + self._total // self._frame_bytes
        return samples * 1000 // self._format.sample_rate

    @property
    def newest_sequence(self) -> int:
        """The newest chunk heard; the one before the first where none was."""
        return self._pieces[-1].sequence if self._pieces else self.position.sequence - 1

    @property
    def buffered_bytes(self) -> int:
        """Audio held: chunks that a mark may still lie in, and PCM that an onset may reach back to."""
        return sum(len(piece.data) for piece in self._pieces) + self._segmenter.buffered_bytes

    def hear(self, sequence: int, data: bytes, now: float) -> None:
        """Judge one chunk's decoded bytes; any number of them, also none."""
        piece = _Piece(self._total, sequence, 0, data)
        if sequence == self.position.sequence and self.position.offset_bytes and not self._pieces:
            piece = _Piece(0, sequence, self.position.offset_bytes, data[self.position.offset_bytes :])
        if self._pieces and not self._pieces[-1].data:
            self._pieces.pop()  # Nothing lies in it, and of any number of such only the newest has a say.
        self._pieces.append(piece)
        self._total += len(piece.data)
        fresh = piece.data if self._header is None else self._without_header(piece.data)
        self._judge(self._converter.feed(fresh), now)

    def cut(self, reason: Reason, now: float) -> None:
        """End the open utterance here, at a mark; without one nothing changes."""
        while self._utterance is not None:
            mark = self._segmenter.push(self._converter.drain())
            if mark is None:
                self._end(self._utterance, self._segmenter.end, reason, now)
                self._restart(self._whole(), inside_speech=False)
            else:
                self._judge(self._pass(mark, now), now)

    def _judge(self, pcm: bytes, now: float) -> None:
        mark = self._segmenter.push(pcm)
        while mark is not None:
            beyond = self._pass(mark, now)  # before the push: this makes a new segmenter
            mark = self._segmenter.push(beyond)
        if self._segmenter.is_open:
            self._tell(now)
        self._forget()

    def _tell(self, now: float) -> Utterance:
        """Write what the model may hear by now into the open utterance."""
        segmenter, utterance = self._segmenter, self._utterance
        if utterance is None:
            utterance = self._utterance = self._transcript.open(
                begin_ms=self._ms(segmenter.begin),
                start_ms=self._ms(segmenter.speech_begin),
                sequence=self._sequence_at(segmenter.begin + 2),
            )
        heard = segmenter.take_heard()
        if heard:
            utterance.hear(
                heard,
                end_ms=self._ms(segmenter.speech_end),
                sequence=self._sequence_at(segmenter.heard_until),
                now=now,
            )
        return utterance

    def _end(self, utterance: Utterance, cut_at: int, reason: Reason, now: float) -> None:
        heard = self._segmenter.take_heard(cut_at)
        end_ms, sequence = self._ms(self._segmenter.speech_end), self._sequence_at(cut_at)
        if heard:
            utterance.hear(heard, end_ms=end_ms, sequence=sequence, now=now)
        utterance.end(reason, end_ms=end_ms, sequence=sequence, now=now)
        self._utterance = None

    def _pass(self, mark: Mark, now: float) -> bytes:
        """Go past a mark; returns what lies beyond it as PCM, to be judged again."""
        if mark.reason is not None:
            self._end(self._tell(now), mark.at_bytes, mark.reason, now)
        # A drained resampler may round up to a sample that was never sent.
        place = min(self._place(mark.at_bytes), self._whole())
        return self._restart(place, inside_speech=mark.inside_speech)

    def _restart(self, place: int, *, inside_speech: bool) -> bytes:
        """Make all listening new at `place` bytes of the audio as sent; returns the PCM beyond it."""
        newest = self.newest_sequence
        while self._pieces and self._pieces[0].end <= place:
            self._pieces.popleft()
        if self._pieces:
            self._pieces[0].drop_before(place)
        for piece in self._pieces:
            piece.at -= place
        self._total -= place
        self.position = Position(
            sequence=self._pieces[0].sequence if self._pieces else newest + 1,
            offset_bytes=self._pieces[0].offset if self._pieces else 0,
            samples=self.position.samples + place // self._frame_bytes,
            inside_speech=inside_speech,
            index=self._transcript.next_index,
        )
        self._transcript.mark(self.position)
        self._converter = Converter(self._format)
        self._segmenter = Segmenter(self._rules, inside_speech=inside_speech)
        return self._converter.feed(b"".join(piece.data for piece in self._pieces))

    def _without_header(self, data: bytes) -> bytes:
        """Hold audio back until it is known how much of it is a RIFF header; then drop that much."""
        self._header = (self._header or b"") + data
        header_bytes = skip_riff(self._header)
        if header_bytes is None:
            return b""
        data, self._header = self._header[header_bytes:], None
        while self._pieces and self._pieces[0].end <= header_bytes and len(self._pieces) > 1:
            self._pieces.popleft()
        self._pieces[0].drop_before(header_bytes)
        for piece in self._pieces:
            piece.at -= header_bytes
        self._total -= header_bytes
        return data

    def _forget(self) -> None:
        """Drop chunks that no later mark and no later result can lie in, if there may be one."""
        pieces = self._pieces
        if not pieces:
            return
        place = max(0, self._place(self._segmenter.needed_from - 2))
        while len(pieces) > 1 and pieces[1].at <= place:
            pieces.popleft()
        if self._header is None and place - pieces[0].at > _WORTH_COPYING_BYTES:
            pieces[0].drop_before(place)

    def _whole(self) -> int:
        """Bytes since the mark, up to the last whole sample."""
        return self._total - self._total % self._frame_bytes

    def _place(self, pcm_bytes: int) -> int:
        """Bytes of the audio as sent, whole samples, rounded down, for bytes of 16 kHz PCM."""
        if self._is_native:
            return pcm_bytes
        return pcm_bytes // 2 * self._format.sample_rate // MODEL_RATE_HZ * self._frame_bytes

    def _ms(self, pcm_bytes: int) -> int:
        """The session's time at a place counted from the mark, rounded down."""
        if self._is_native:
            return (self.position.samples + pcm_bytes // 2) * 1000 // MODEL_RATE_HZ
        rate = self._format.sample_rate
        samples = self.position.samples * MODEL_RATE_HZ + pcm_bytes // 2 * rate
        return samples * 1000 // (rate * MODEL_RATE_HZ)

    def _sequence_at(self, pcm_bytes: int) -> int:
        """The chunk that holds the last byte of the last sample before this place."""
        last = self._place(pcm_bytes - 2) + self._frame_bytes - 1
        for piece in reversed(self._pieces):
            if piece.at <= last:
                return piece.sequence
        return self._pieces[0].sequence
