"""One session: what the client says goes in, work for the model and messages for the client come out.

Pure: no clock (monotonic `now` is an argument), no waiting, no I/O. `Connection` drives a live one,
an upload is one fed by its decoder. `receive`, `deliver` and `tick` push in; `take_work` and
`take_messages` drain out; `closing` says how the connection is to end once the messages are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earful.audio.pcm import Format
from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.models.types import Outcome, SessionInfo, Work
from earful.protocol.codec import BadChunkError
from earful.protocol.cursor import Position
from earful.protocol.messages import (
    MAX_SEQUENCE,
    AudioChunk,
    BinaryAudio,
    ClientMessage,
    Closing,
    Flush,
    Keepalive,
    Start,
    Stop,
)
from earful.protocol.states import Input, State
from earful.session.answers import Answers
from earful.session.claim import REFUSALS, Claim, Verdict
from earful.session.endings import ENDINGS, FATALITIES
from earful.session.greeting import Terms, started, transcript_of
from earful.session.life import Life
from earful.session.listener import Listener
from earful.session.numbering import Numbering
from earful.session.opening import Opening
from earful.session.speed import Speed
from earful.session.transcript import Transcript

if TYPE_CHECKING:
    from earful.protocol.messages import Leaving
    from earful.protocol.seal import Seal
    from earful.session.rules import ListeningRules, SessionLimits

# Final, for each chunk asks: compiled code looks up neither these nor the enum behind them.
_ACTIVE: Final = State.ACTIVE
_CLOSED: Final = State.CLOSED
_MAX_SEQUENCE: Final = MAX_SEQUENCE


class Session(Life):
    """The core of one session; see the module. `info` says what the model should know of it."""

    __slots__ = (
        "_answers",
        "_farewell",
        "_format",
        "_limits",
        "_listener",
        "_longest_bytes",
        "_numbering",
        "_partials_every_ms",
        "_rules",
        "_speed",
        "_transcript",
        "attempt",
        "began_at",
        "info",
        "opening",
        "started_at",
    )

    def __init__(
        self,
        session_id: str,
        rules: ListeningRules,
        limits: SessionLimits,
        now: float,
        *,
        seal: Seal | None = None,
        unix_s: int = 0,
    ) -> None:
        """Begin in CREATE at `now`, which is `unix_s` by the calendar; only with a seal it can be resumed."""
        super().__init__(limits, now)
        self.info = SessionInfo(session_id)
        self.began_at = now
        self.attempt = 0
        """Which resumption of the session this is, by the client's count."""
        self.started_at: float | None = None
        """When this connection's start was granted or, without one, its first chunk came."""
        self._rules = rules
        self._limits = limits
        self._speed = Speed(limits.max_speed, now)
        self._numbering = Numbering()
        self._answers = Answers()
        self.opening = Opening(limits, seal, now=now, unix_s=unix_s)
        self._farewell: Input | None = None
        self._partials_every_ms = 0
        self._set_up(Format(), Transcript())

    @property
    def format(self) -> Format:
        """The audio's format, settled with the first message."""
        return self._format

    @property
    def position(self) -> Position:
        """The newest mark in the audio."""
        return self._listener.position

    @property
    def backlog_ms(self) -> int:
        """Audio received behind the newest work while the model can take no more; 0 while it can."""
        full_from_ms = self._transcript.full_from_ms
        return 0 if full_from_ms is None else self._listener.received_ms - full_from_ms

    @property
    def buffered_bytes(self) -> int:
        """Audio held for whatever reason."""
        return self._listener.buffered_bytes + self._transcript.buffered_bytes

    @property
    def wants_input(self) -> bool:
        """False while reading should wait: for the model (`max_buffered_ms`), or for the verdict on a claim."""
        return self.backlog_ms <= self._limits.max_buffered_ms and self.opening.terms is None and self._answers.has_room

    @property
    def can_resume(self) -> bool:
        """Whether the client has a cursor to go on with elsewhere."""
        return self.opted_in or (self.state is State.CREATE and self.opening.has_cursor)

    @property
    def is_handed_over(self) -> bool:
        """Whether it is on its way elsewhere, and nothing has taken it back."""
        return self._farewell is Input.HAND_OVER

    def use_format(self, audio_format: Format, *, lanes: int) -> None:
        """Settle an upload's format: PCM without header, `lanes` whole utterances in work side by side."""
        transcript = Transcript(partials="off", words=self.info.words, lanes=lanes, whole=True)
        self._set_up(audio_format, transcript, may_have_header=False)

    def space_partials(self, every_ms: int) -> None:
        """Tell a partial for so much audio at most; a fragment that is left out comes with the next one."""
        self._partials_every_ms = self._transcript.partials_every_ms = every_ms

    def receive(self, message: ClientMessage, now: float) -> None:
        """Take in one message of the client."""
        self._deadlines.heard(now)
        if type(message) is AudioChunk:  # Nearly every message there is.
            self._receive_audio(message.data, message.sequence, now)
            return
        match message:
            case BinaryAudio(data):
                if self._is_opted_in(CloseCode.UNSUPPORTED_DATA):
                    self._receive_audio(data, None, now)
            case Start():
                self._receive_start(message, now)
            case Flush():
                if self._is_opted_in() and self._step(Input.FLUSH):
                    self._flush(message, now)
            case Keepalive():
                if self._is_opted_in():
                    self._step(Input.KEEPALIVE)
            case Stop():
                self._end(Input.STOP, now)
            case _:
                raise AssertionError("every message of the union has a case")

    def refuse(self, mistake: EarfulError, now: float) -> None:
        """A message that could not be decoded: it is answered, and counted where the table says so."""
        self._deadlines.heard(now)
        if self.state is State.CLOSING or self.state is State.CLOSED:
            return
        number: int | None = None
        if isinstance(mistake, BadChunkError):
            number = self._numbering.number(mistake.sequence)
            if not self._may_use(number, now):
                return
            self._give_up(number)
        self._complain(mistake, number)

    def take_claim(self) -> Claim | None:
        """What an accepted `start` asks of the directory, once; `claimed` brings the answer."""
        return self.opening.take_claim()

    def claimed(self, verdict: Verdict, now: float) -> None:
        """The directory has decided: the session begins, or ends. Nothing was received in between."""
        terms = self.opening.take_terms()
        if verdict is not Verdict.GRANTED:
            self.fail(REFUSALS[verdict])
        elif terms is not None and self.state is not State.CLOSED:
            self._begin(terms, now)

    def take_work(self) -> Work | None:
        """The next piece of speech for the model; None while there is none or its lane is busy."""
        return self._transcript.take_work()

    def deliver(self, work: Work, outcome: Outcome) -> None:
        """Take in what the model made of a work."""
        if self.state is _CLOSED:
            return
        self.numbers.model_s += outcome.model_s
        for message in self._transcript.deliver(work, outcome):
            self._replies.tell(message)
        if work.end:
            self._settle()

    def tick(self, now: float) -> None:
        """Let the timers that have passed act."""
        passed = self._deadlines.passed(now)
        if self.must_resume and passed is not None:
            if self.opening.terms is None:  # Otherwise the verdict is on its way.
                self.fail(ErrorCode.OVERLOADED)
        elif passed in FATALITIES:
            self.fail(FATALITIES[passed])
        elif passed is not None:
            self._end(passed, now)

    def end(self, happening: Input, now: float, *, deadline_ms: int = 0, reason: Leaving = "drain") -> None:
        """End as the server wishes (`END`, `DRAIN`, `HAND_OVER`): what is owed is answered first.

        Who sent `start` is told at once, why, and within what time it will be over, unless it is `END`. `HAND_OVER` is
        for who `can_resume`: results of ended utterances are told, the open one is left to where the client goes next.
        Until then a `DRAIN` or an `END` takes it back: there is nowhere to go, and the open one gets its final here.
        """
        if happening is Input.HAND_OVER and not self.opted_in:
            self.leave()
            return
        if happening in {Input.DRAIN, Input.HAND_OVER} and self.opted_in and self.state is State.ACTIVE:
            self._replies.tell(Closing(reason, deadline_ms, resume=happening is Input.HAND_OVER))
        self._end(happening, now)

    def leave(self) -> None:
        """Hand over at once, whatever is owed still: where the client goes next will answer it."""
        if not self.opted_in:
            self.fail(ErrorCode.DRAINING, close_code=CloseCode.DRAINED)
        elif self.state is not State.CLOSED:
            if self._farewell is not Input.HAND_OVER:
                self._replies.tell(Closing("drain", 0, resume=True))
            self._step(Input.FATAL)
            self.closing = ENDINGS[Input.HAND_OVER][2]

    def _set_up(
        self,
        audio_format: Format,
        transcript: Transcript,
        position: Position = Position(),  # noqa: B008 - frozen
        *,
        may_have_header: bool = True,
    ) -> None:
        self._format = audio_format
        self._longest_bytes = self._limits.max_chunk_ms * audio_format.sample_rate * audio_format.frame_bytes // 1000
        self._transcript = transcript
        transcript.partials_every_ms = self._partials_every_ms
        self._listener = Listener(self._rules, audio_format, transcript, position, may_have_header=may_have_header)

    def _receive_start(self, start: Start, now: float) -> None:
        if self.state is not State.CREATE or (self.must_resume and start.resume is None):
            self._step(Input.START)
            return
        try:
            self.opening.ask(start, self.info.session_id, now)
        except EarfulError as refused:
            if refused.code is ErrorCode.UNSUPPORTED_FORMAT:
                self._complain(refused)
            else:
                self.fail(refused.code)

    def _begin(self, terms: Terms, now: float) -> None:
        cursor = terms.cursor
        self.must_resume = False
        self._step(Input.START)
        self.opted_in = True
        self.attempt = terms.attempt
        self.info = SessionInfo(cursor.session_id, cursor.language, cursor.words)
        self.started_at = now
        if terms.attempt:
            self.began_at -= terms.age_s
            self._deadlines.resume(self.began_at, now)
        self._numbering = Numbering(expected=cursor.position.sequence)
        self._set_up(cursor.format, transcript_of(cursor, self.opening.seal), cursor.position)
        self.numbers.audio_ms = self.numbers.resumed_ms = self._listener.received_ms
        self._speed.resume(self.began_at, self.numbers.resumed_ms, now)
        self._replies.tell(started(cursor, self.opening.seal, self._rules, self._limits))

    def _receive_audio(self, data: bytes, sequence: int | None, now: float) -> None:
        if self.state is not _ACTIVE:
            if not self._step(Input.AUDIO):
                return
            self.started_at = now
        number = self._numbering.number(sequence)
        if not self._may_use(number, now):
            return
        if len(data) > self._longest_bytes:
            self._give_up(number)
            longest_ms = self._limits.max_chunk_ms
            self._complain(EarfulError(ErrorCode.BAD_AUDIO, f"A chunk may be at most {longest_ms} ms long."), number)
            return
        self._numbering.use(number)
        self._listener.hear(number, data, now)
        self.numbers.add_chunk(len(data), self._listener.received_ms)
        if self._transcript.silent_mark is not None:
            self._settle()
        if self._speed.is_exceeded(self.numbers.audio_ms, now):
            self.fail(ErrorCode.AUDIO_TOO_FAST)

    def _may_use(self, number: int, now: float) -> bool:
        """Check a chunk's number; complains where it is not the expected one."""
        expected = self._numbering.expected
        if number > _MAX_SEQUENCE:
            self.fail(ErrorCode.SESSION_TOO_LONG)
            return False
        if number == expected:
            return True
        match self._numbering.fault(number):
            case ErrorCode.SEQUENCE_REPEATED:
                if self._numbering.may_tell_repeat(now):
                    self._complain(EarfulError(ErrorCode.SEQUENCE_REPEATED), number, expected=expected)
                return False
            case ErrorCode.SEQUENCE_GAP if self.opted_in:
                self.fail(ErrorCode.SEQUENCE_GAP, number=number, expected=expected)
                return False
            case ErrorCode.SEQUENCE_GAP:
                self._complain(EarfulError(ErrorCode.SEQUENCE_GAP), number, expected=expected)
        return True

    def _give_up(self, number: int) -> None:
        """The chunk's audio is missing; the first of a plain session sets no base."""
        if self._numbering.expected is not None:
            self._numbering.use(number)

    def _flush(self, flush: Flush, now: float) -> None:
        self._listener.cut("flush", now)
        self._answers.owe(flush, sequence=self._numbering.newest, index=self._transcript.next_index)
        self._settle()

    def _end(self, happening: Input, now: float) -> None:
        """Stop listening; the open utterance gets its final, and after `stop` there is always a last one."""
        takes_back = happening in {Input.DRAIN, Input.END}
        is_taken_back = takes_back and self._farewell is Input.HAND_OVER and self.state is State.CLOSING
        if not self._step(happening) and not is_taken_back:
            return
        self._farewell = happening
        if reason := ENDINGS[happening][0]:
            self._listener.cut(reason, now)
        if happening is Input.STOP:
            self._transcript.close(end_ms=self._listener.received_ms, sequence=self._numbering.newest)
        self._settle()

    def _settle(self) -> None:
        """Tell what has its turn, and at last the end."""
        for answer in self._answers.take(self._transcript):
            self._replies.tell(answer)
        if self._farewell is not None and self._transcript.is_answered:
            self._finish(self._farewell)
