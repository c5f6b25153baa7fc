"""The utterances of a session: what the model is still to hear, and what it answered, in order.

Pure. `Listener` writes utterances in, the engine takes work out and brings outcomes back, and what
the client is to be told comes out once, finals in the order of their index. Whoever sends a result
stamps its `timestamp`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET

from earful.models.types import MAX_TEXT_CHARS, Outcome, TranscriptResult, Word, Work
from earful.protocol.messages import Error, Final, Partial, Partials, Reason, WordTime, error
from earful.session.rules import BYTES_PER_MS

if TYPE_CHECKING:
    from earful.protocol.cursor import Position
    from earful.protocol.messages import Ack
    from earful.session.cursors import Cursors


@dataclass(slots=True)
class Utterance:
    """One utterance from its first speech frame until its final is given out."""

    index: int
    begin_ms: int
    """Its first sample that the model hears: where words' times count from."""
    start_ms: int
    end_ms: int
    sequence: int
    reason: Reason | None = None
    last: bool = False
    audio: list[bytes] = field(default_factory=list)
    since_s: float | None = None
    """When the oldest news not yet taken as work was known."""
    in_flight: bool = False
    asked_ms: int = 0
    """Where the audio that was taken as work ends."""
    said_chars: int = 0
    """Of all fragments: what is beyond `MAX_TEXT_CHARS` is not told, and the final replaces it."""
    fragments: list[str] = field(default_factory=list)
    """What the model object of now answered so far."""
    given_bytes: int = 0
    """PCM that was taken as work."""
    object_from_bytes: int = 0
    """Where in that PCM the model object of now began to hear: its words' times count from there."""
    told_ms: int = 0
    """Where the audio of the newest partial ends, or the first speech frame begins."""
    untold: str = ""
    """Fragments that were left out since; the next partial has them."""
    carried: str = ""
    """What objects that failed since had answered: the object of now knows nothing of it."""
    final: Final | None = None
    mark: Position | None = None
    """Where it ended and all listening began anew."""
    silent_mark: Position | None = None
    """The newest mark in the silence behind it."""

    def hear(self, pcm: bytes, *, end_ms: int, sequence: int, now: float) -> None:
        """More audio for the model, up to the chunk `sequence`."""
        self.audio.append(pcm)
        self.end_ms, self.sequence = end_ms, sequence
        if self.since_s is None:
            self.since_s = now

    def carry(self) -> None:
        """The model object failed and is replaced: what it answered so far is all there will be of that audio."""
        self.carried = self.whole("".join(self.fragments))
        self.fragments = []
        self.object_from_bytes = self.given_bytes

    def whole(self, text: str) -> str:
        """The utterance's text, where `text` is what the model object of now makes of its part."""
        return f"{self.carried} {text.strip()}".strip() if self.carried else text

    def end(self, reason: Reason, *, end_ms: int, sequence: int, now: float) -> None:
        """Nothing follows; the next work asks for the whole text."""
        self.reason, self.end_ms, self.sequence = reason, end_ms, sequence
        if self.since_s is None:
            self.since_s = now


class Transcript:
    """All utterances that have no final yet, at most `lanes` of them in work side by side."""

    __slots__ = (
        "_cursors",
        "_lanes",
        "_next_index",
        "_partials",
        "_utterances",
        "_whole",
        "_words",
        "partials_every_ms",
        "silent_mark",
    )

    def __init__(
        self,
        *,
        partials: Partials = "fragment",
        words: bool = False,
        lanes: int = 1,
        whole: bool = False,
        next_index: int = 0,
        cursors: Cursors | None = None,
    ) -> None:
        """`whole`: the model is given an utterance only when it has ended, all at once (uploads).

        Only with `cursors` the client is told of marks.
        """
        self._partials = partials
        self._words = words
        self._whole = whole
        self._lanes = lanes
        self._utterances: deque[Utterance] = deque()
        self._next_index = next_index
        self._cursors = cursors
        self.partials_every_ms = 0
        """How much audio there must be between two partials of an utterance."""
        self.silent_mark: Position | None = None
        """The newest mark without a final, of which the client may be told: it has all that lies before."""

    @property
    def next_index(self) -> int:
        """The number of the next utterance to open."""
        return self._next_index

    @property
    def answered_index(self) -> int:
        """Every utterance below this has its final given out."""
        return self._utterances[0].index if self._utterances else self._next_index

    @property
    def is_answered(self) -> bool:
        """Whether every utterance that has ended has its final given out."""
        return not self._utterances or self._utterances[0].reason is None

    @property
    def full_from_ms(self) -> int | None:
        """Where the newest work ends while every lane is busy; None while one is free."""
        if len(self._utterances) < self._lanes:
            return None
        newest = self._utterances[self._lanes - 1]
        return newest.asked_ms if newest.in_flight or newest.final is not None else None

    @property
    def buffered_bytes(self) -> int:
        """Audio that waits for the model."""
        return sum(len(pcm) for utterance in self._utterances for pcm in utterance.audio)

    def open(self, *, begin_ms: int, start_ms: int, sequence: int) -> Utterance:
        """Begin the next utterance."""
        utterance = Utterance(self._next_index, begin_ms, start_ms, start_ms, sequence, told_ms=start_ms)
        self._next_index += 1
        self._utterances.append(utterance)
        return utterance

    def close(self, *, end_ms: int, sequence: int) -> None:
        """Mark the last final: the open utterance's that just ended with `stop`, else an empty one of its own."""
        newest = self._utterances[-1] if self._utterances else None
        if newest is None or newest.reason != "stop":
            newest = self.open(begin_ms=end_ms, start_ms=end_ms, sequence=sequence)
            newest.reason = "stop"
            newest.last = True
            newest.final = self._final(newest, "", None)
        newest.last = True

    def mark(self, position: Position) -> None:
        """All listening began anew here; what lies before is in the utterances, up to the newest."""
        if self._cursors is None:
            return
        newest = self._utterances[-1] if self._utterances else None
        if newest is None:
            self.silent_mark = position
        elif newest.mark is None:
            newest.mark = position
        else:
            newest.silent_mark = position

    def take_work(self) -> Work | None:
        """The next piece for the model, or None while there is no news or every lane is busy."""
        utterances = self._utterances
        for nth in range(min(len(utterances), self._lanes)):
            utterance = utterances[nth]
            if utterance.since_s is None or utterance.in_flight:
                continue
            if utterance.reason is not None or not self._whole:
                return self._work(utterance, utterance.since_s)
        return None

    def deliver(self, work: Work, outcome: Outcome) -> list[Error | Partial]:
        """Take in an outcome; what the client is told of it at once: an error, a partial, both or neither."""
        utterance = self._utterances[work.index - self._utterances[0].index]
        utterance.in_flight = False
        messages: list[Error | Partial] = []
        if outcome.failure is not None:
            messages.append(error(outcome.failure, sequence=work.sequence))
            utterance.carry()
        result = outcome.result
        if work.end:
            text = utterance.whole("" if result is None else result.text)
            utterance.final = self._final(utterance, text, result)
        elif result is not None and result.text and utterance.said_chars + len(result.text) <= MAX_TEXT_CHARS:
            utterance.said_chars += len(result.text)
            utterance.fragments.append(result.text)
            if work.end_ms - utterance.told_ms < self.partials_every_ms:
                utterance.untold += result.text
            elif self._partials != "off":
                messages.append(self._partial(utterance, work, result.text))
        return messages

    def take_final(self) -> Final | None:
        """The next final in order, once its turn has come."""
        if not self._utterances or self._utterances[0].final is None:
            return None
        utterance = self._utterances.popleft()
        self.silent_mark = utterance.silent_mark
        return utterance.final

    def take_ack(self) -> Ack | None:
        """What tells of the newest mark without a final, once its turn has come."""
        mark, self.silent_mark = self.silent_mark, None
        return None if mark is None or self._cursors is None else self._cursors.ack(mark)

    def _work(self, utterance: Utterance, since_s: float) -> Work:
        audio = utterance.audio
        pcm = audio[0] if len(audio) == 1 else b"".join(audio)
        utterance.audio = []
        utterance.given_bytes += len(pcm)
        utterance.since_s = None
        utterance.in_flight = True
        utterance.asked_ms = utterance.end_ms
        return Work(
            lane=utterance.index % self._lanes,
            pcm=pcm,
            end=utterance.reason is not None,
            index=utterance.index,
            end_ms=utterance.end_ms,
            sequence=utterance.sequence,
            since_s=since_s,
        )

    def _partial(self, utterance: Utterance, work: Work, text: str) -> Partial:
        utterance.told_ms = work.end_ms
        if self._partials == "cumulative":
            text = "".join(utterance.fragments)
            utterance.fragments = [text]
            text = utterance.whole(text)
        elif utterance.untold:
            text, utterance.untold = utterance.untold + text, ""
        return Partial(text, 0, work.sequence, work.index, utterance.start_ms, work.end_ms)

    def _final(self, utterance: Utterance, text: str, result: TranscriptResult | None) -> Final:
        words = [] if result is None else [self._word(utterance, word) for word in result.words]
        final = Final(
            text=text,
            timestamp=0,
            sequence=utterance.sequence,
            index=utterance.index,
            start_ms=utterance.start_ms,
            end_ms=utterance.end_ms,
            reason=utterance.reason or "stop",
            words=words if self._words else UNSET,
            last=utterance.last,
        )
        if self._cursors is not None and utterance.mark is not None:
            self._cursors.put_on(final, utterance.mark)
        return final

    @staticmethod
    def _word(utterance: Utterance, word: Word) -> WordTime:
        begin_ms = utterance.begin_ms + utterance.object_from_bytes // BYTES_PER_MS
        return WordTime(word.word, begin_ms + word.start_ms, begin_ms + word.end_ms, word.confidence)
