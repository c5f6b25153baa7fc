"""An ear for the session's tests: listener, transcript and mock model in one synchronous line, everything noted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, count, repeat, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from earful.audio.pcm import Format
from earful.models.mock import MockASRModel
from earful.models.types import Outcome, SessionInfo, Work
from earful.protocol.cursor import Position
from earful.protocol.messages import Final, Partial
from earful.session.listener import Listener
from earful.session.rules import ListeningRules
from earful.session.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Iterator

T = TypeVar("T")
RULES = ListeningRules()


def finished(call: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that only ever yields to the loop."""
    while True:
        try:
            call.send(None)
        except StopIteration as stop:
            value: T = stop.value
            return value


class Mock:
    """The mock model, asked without an event loop."""

    def __init__(self, *, words: bool = False) -> None:
        self._model = MockASRModel(latency_ms=0)
        finished(self._model.open(SessionInfo("", words=words)))

    def answer(self, work: Work) -> Outcome:
        """What the engine would bring back."""
        result = finished(self._model.transcribe_chunk(work.pcm))
        return Outcome(finished(self._model.finalize()) if work.end else result)


@dataclass(frozen=True)
class Mark:
    """A mark as it was passed: where, and how many flushes had been made by then."""

    position: Position
    flushes: int


class Ear:
    """Hears chunks; `finals`, `partials`, `marks` and `heard` (the model's audio, by utterance) say what came of it."""

    def __init__(self, audio_format: Format, rules: ListeningRules = RULES, position: Position | None = None) -> None:
        position = position or Position()
        self.transcript = Transcript(next_index=position.index)
        self.listener = Listener(rules, audio_format, self.transcript, position, may_have_header=False)
        self.finals: list[Final] = []
        self.partials: list[Partial] = []
        self.heard: dict[int, bytes] = {}
        self.marks = [Mark(position, 0)]
        self.flushes = 0
        self._mock = Mock()

    def hear(self, sequence: int, data: bytes) -> None:
        """One chunk, and all the model makes of it."""
        self.listener.hear(sequence, data, 0.0)
        self._run()

    def flush(self) -> None:
        """A flush, and what the model makes of it."""
        self.listener.cut("flush", 0.0)
        self.flushes += 1
        self._run()

    def stop(self) -> None:
        """The end of the audio."""
        self.listener.cut("stop", 0.0)
        self._run()

    def _run(self) -> None:
        if self.marks[-1].position != self.listener.position:
            self.marks.append(Mark(self.listener.position, self.flushes))
        while (work := self.transcript.take_work()) is not None:
            self.heard[work.index] = self.heard.get(work.index, b"") + work.pcm
            for message in self.transcript.deliver(work, self._mock.answer(work)):
                assert isinstance(message, Partial)
                self.partials.append(message)
            while (final := self.transcript.take_final()) is not None:
                self.finals.append(final)


def every(size_bytes: int, total_bytes: int) -> list[int]:
    """The places that cut a recording into chunks of one size."""
    return list(takewhile(lambda place: place < total_bytes, accumulate(repeat(size_bytes))))


def chunks_of(data: bytes, cuts: Iterable[int], flushes: Collection[int] = ()) -> Iterator[tuple[int, bytes, bool]]:
    """A recording cut at these places and at the flushes: number, bytes, and whether a flush follows."""
    begin = 0
    for sequence, end in zip(count(1), sorted({*cuts, *flushes, len(data)}), strict=False):
        yield sequence, data[begin:end], end in flushes
        begin = end


def listen(
    data: bytes,
    cuts: Iterable[int],
    audio_format: Format = Format(),  # noqa: B008 - frozen
    rules: ListeningRules = RULES,
    *,
    flushes: Collection[int] = (),
    after: Mark | None = None,
) -> Ear:
    """Hear a recording to its end; `after` a mark with only what a resuming client sends again."""
    ear = Ear(audio_format, rules, None if after is None else after.position)
    answered = 0 if after is None else after.flushes
    for sequence, chunk, flush_follows in chunks_of(data, cuts, flushes):
        if sequence >= ear.marks[0].position.sequence:
            ear.hear(sequence, chunk)
        answered -= flush_follows
        if flush_follows and answered < 0:
            ear.flush()
    ear.stop()
    return ear


def told(finals: Iterable[Final]) -> list[tuple[int, str, int, int, str]]:
    """What of finals may not depend on how the audio was cut into chunks."""
    return [(final.index, final.text, final.start_ms, final.end_ms, final.reason) for final in finals]
