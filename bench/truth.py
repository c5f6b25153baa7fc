"""What a session must be told: the finals of the pure core and the mock model, run without a server.

Guarantees the finals of an undisturbed run over the same chunks. Used where finals are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from earful.models.mock import MockASRModel
from earful.models.types import Outcome, TranscriptResult, Work
from earful.protocol.messages import AudioChunk, Final, Stop
from earful.protocol.states import Input
from earful.session.rules import ListeningRules, SessionLimits
from earful.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from voice import Voice

T = TypeVar("T")
_LIMITS = SessionLimits(max_speed=0)


class Told(NamedTuple):
    """A final, without what differs between runs."""

    number: int
    text: str
    start_ms: int
    end_ms: int
    reason: str
    last: bool


def told(message: Mapping[str, Any]) -> Told:
    """A final as it came over the wire."""
    return Told(
        message["index"],
        message["text"],
        message["start_ms"],
        message["end_ms"],
        message["reason"],
        message.get("last", False),
    )


class Truth:
    """One session in the pure core; `finals` is what the client must have been told by now."""

    def __init__(self, *, words_per_chunk: int = 2) -> None:
        """Begin a session; `words_per_chunk` as the server's mock has it."""
        self._session = Session("truth", ListeningRules(), _LIMITS, 0.0)
        self._model = MockASRModel(0, words_per_chunk)
        self._chunks = 0
        self.finals: list[Told] = []

    def hear(self, pcm: bytes) -> None:
        """The client sends a chunk."""
        self._chunks += 1
        self._session.receive(AudioChunk(pcm, self._chunks), self._chunks)
        self._work_off()

    def stop(self) -> None:
        """The client says `stop`."""
        self._session.receive(Stop(), self._chunks)
        self._work_off()

    def drain(self) -> None:
        """The server drains."""
        self._session.end(Input.DRAIN, self._chunks)
        self._work_off()

    def _work_off(self) -> None:
        while (work := self._session.take_work()) is not None:
            self._session.deliver(work, Outcome(self._ask(work)))
        for message in self._session.take_messages():
            if isinstance(message, Final):
                self.finals.append(
                    Told(message.index, message.text, message.start_ms, message.end_ms, message.reason, message.last)
                )

    def _ask(self, work: Work) -> TranscriptResult:
        result = _run(self._model.transcribe_chunk(work.pcm)) if work.pcm else None
        if work.end or result is None:
            result = _run(self._model.finalize())
        return result


def truth_of(voice: Voice, chunks: int, *, words_per_chunk: int = 2) -> Truth:
    """The session of a voice that has sent so many chunks."""
    truth = Truth(words_per_chunk=words_per_chunk)
    for nth in range(chunks):
        truth.hear(voice.pcm(nth))
    return truth


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to its end what never really waits."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as end:
            answer: T = end.value
            return answer
