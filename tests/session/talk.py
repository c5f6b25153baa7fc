"""A session for tests, with the model's side and the client's beside it, on a float for a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from tests.session.ear import RULES, Mock
from tests.session.recordings import stretch

from earful.audio.pcm import Encoding
from earful.models.types import Outcome, TranscriptResult, Work
from earful.protocol.cursor import Cursor, Position
from earful.protocol.messages import Ack, AudioChunk, ClientMessage, Error, Final, Resume, ServerMessage, Start
from earful.protocol.seal import Seal
from earful.session.claim import Claim, Verdict
from earful.session.rules import ListeningRules, SessionLimits
from earful.session.session import Session

if TYPE_CHECKING:
    from earful.audio.pcm import Format

LIMITS = SessionLimits(max_speed=0)
SEAL = Seal((b"a secret of the tests",))
BEGAN = 1_000_000
"""The calendar's seconds at which sessions begin here."""
ELSEWHERE = Cursor(
    "another",
    BEGAN,
    "",
    Encoding.MULAW,
    8_000,
    2,
    "en",
    "cumulative",
    words=True,
    position=Position(41, 100, 24_000, inside_speech=True, index=3),
)
"""Where a session stands that no field is a default of."""
SPEAKING = stretch(4.1, 6.1)
"""Two seconds from inside a sentence: begun with these, an utterance is open."""


def heard(text: str) -> Outcome:
    """What a model answers to a piece of an utterance."""
    return Outcome(TranscriptResult(text, is_final=False))


def whole(text: str) -> Outcome:
    """What a model answers to its end."""
    return Outcome(TranscriptResult(text, is_final=True))


def resume(cursor: Cursor = ELSEWHERE, attempt: int = 1, **fields: Any) -> Start:
    """A `start` that asks for a session to go on."""
    return Start(resume=Resume(SEAL.sign(cursor), attempt), **fields)


def mark_of(message: ServerMessage) -> Position:
    """Where a cursor stands that the client was given; `keep_from` is its chunk."""
    assert isinstance(message, Final | Ack)
    mark = SEAL.read(str(message.cursor)).position
    assert mark.sequence == message.keep_from
    return mark


class Talk:
    """Drives a `Session`; `said` is everything the client was told, `now` the clock, `unix_s` its beginning.

    The directory says `verdict` to every claim, at once; None lets it wait.
    """

    def __init__(
        self,
        *,
        start: Start | None = None,
        rules: ListeningRules = RULES,
        limits: SessionLimits = LIMITS,
        seal: Seal | None = SEAL,
        unix_s: int = BEGAN,
        verdict: Verdict | None = Verdict.GRANTED,
    ) -> None:
        self.session = Session("id", rules, limits, 0.0, seal=seal, unix_s=unix_s)
        self.said: list[ServerMessage] = []
        self.claims: list[Claim] = []
        self.verdict = verdict
        self.now = 0.0
        if start is not None:
            self.send(start)

    def send(self, *messages: ClientMessage) -> list[ServerMessage]:
        """What the client is told of messages before the model answers."""
        for message in messages:
            self.session.receive(message, self.now)
            self.decide()
        return self.take()

    def decide(self) -> None:
        """Let the directory answer, where it is asked and does."""
        claim = self.session.take_claim()
        if claim is not None:
            self.claims.append(claim)
            if self.verdict is not None:
                self.session.claimed(self.verdict, self.now)

    def audio(self, pcm: bytes, chunk_bytes: int = 32_000) -> list[ServerMessage]:
        """Send audio in chunks without numbers."""
        return self.send(*(AudioChunk(pcm[at : at + chunk_bytes]) for at in range(0, len(pcm), chunk_bytes)))

    def tick(self, now: float) -> list[ServerMessage]:
        """Let the clock stand at `now`."""
        self.now = now
        self.session.tick(now)
        return self.take()

    def take(self) -> list[ServerMessage]:
        """What there is to be told."""
        fresh = self.session.take_messages()
        self.said += fresh
        return fresh

    def work(self) -> Work:
        """The work there must be."""
        work = self.session.take_work()
        assert work is not None
        return work

    def deliver(self, work: Work, outcome: Outcome) -> list[ServerMessage]:
        """What the client is told of an outcome."""
        self.session.deliver(work, outcome)
        return self.take()

    def model(self, text: str = "words") -> list[ServerMessage]:
        """Answer all work there is, and all that comes of it."""
        told: list[ServerMessage] = []
        while (work := self.session.take_work()) is not None:
            told += self.deliver(work, whole(text) if work.end else heard(text))
        return told

    def codes(self) -> list[str]:
        """The errors the client was told of."""
        return [message.code for message in self.said if isinstance(message, Error)]

    def finals(self) -> list[Final]:
        """The finals the client has."""
        return [message for message in self.said if isinstance(message, Final)]


def upload(audio_format: Format, data: bytes, *, lanes: int = 4, chunk_bytes: int = 32_000) -> Talk:
    """An upload's session with all its audio heard and the model not asked."""
    talk = Talk()
    talk.session.use_format(audio_format, lanes=lanes)
    talk.audio(data, chunk_bytes)
    return talk


def mock_model(talk: Talk, mock: Mock) -> None:
    """Answer all work there is with the mock's words."""
    while (work := talk.session.take_work()) is not None:
        talk.deliver(work, mock.answer(work))


def errors(talk: Talk) -> list[tuple[object, ...]]:
    """Code, chunk and whether fatal, of each error."""
    return [
        (message.code, None if message.sequence is UNSET else message.sequence, message.fatal)
        for message in talk.said
        if isinstance(message, Error)
    ]
