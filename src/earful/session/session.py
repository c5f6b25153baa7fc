"""One session: what the client says goes in, work for the model and messages for the client come out.

Pure: no clock (monotonic `now` is an argument), no waiting, no I/O. `Connection` drives a live one,
an upload is one fed by its decoder. `receive`, `deliver` and `tick` push in; `take_work` and
`take_messages` drain out; `closing` says how the connection is to end once the messages are sent.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from earful.audio.pcm import Format
from earful.errors import ERRORS, CloseCode, EarfulError, ErrorCode
from earful.models.types import Outcome, SessionInfo, Work
from earful.protocol.codec import BadChunkError
from earful.protocol.messages import (
    MAX_SEQUENCE,
    AudioChunk,
    BinaryAudio,
    ClientMessage,
    Closing,
    Flush,
    Flushed,
    Keepalive,
    ServerMessage,
    Start,
    Stop,
)
from earful.protocol.states import TRANSITIONS, Input, State
from earful.session.deadlines import Deadlines
from earful.session.endings import CAUSES, ENDINGS, FATALITIES, Close
from earful.session.greeting import format_of, started
from earful.session.listener import Listener, Position
from earful.session.numbering import Numbering
from earful.session.numbers import Numbers
from earful.session.replies import Replies
from earful.session.transcript import Transcript

if TYPE_CHECKING:
    from earful.session.rules import ListeningRules, SessionLimits

SPEED_ALLOWANCE_S = 30
"""Audio a session may be ahead of `max_speed` (protocol section 6, code 4108)."""
MAX_FLUSHES = 64
"""Unanswered flushes above which a session wants no more input."""


class Session:
    """The core of one session; see the module. `info` says what the model should know of it."""

    __slots__ = (
        "_deadlines",
        "_farewell",
        "_flushes",
        "_format",
        "_lanes",
        "_limits",
        "_listener",
        "_numbering",
        "_replies",
        "_rules",
        "_transcript",
        "began_at",
        "closing",
        "info",
        "numbers",
        "opted_in",
        "state",
    )

    def __init__(self, session_id: str, rules: ListeningRules, limits: SessionLimits, now: float) -> None:
        """Begin in CREATE at `now`."""
        self.info = SessionInfo(session_id)
        self.state = State.CREATE
        self.began_at = now
        self.numbers = Numbers()
        self.opted_in = False
        self.closing: Close | None = None
        self._rules = rules
        self._limits = limits
        self._deadlines = Deadlines(limits, now)
        self._numbering = Numbering()
        self._replies = Replies(self.numbers)
        self._flushes: deque[tuple[Flush, int, int]] = deque()
        self._farewell: Input | None = None
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
    def due(self) -> float:
        """`tick` has nothing to do before this."""
        return self._deadlines.due

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
        """False while reading should wait for the model (`max_buffered_ms`)."""
        return self.backlog_ms <= self._limits.max_buffered_ms and len(self._flushes) < MAX_FLUSHES

    def use_format(self, audio_format: Format, *, lanes: int) -> None:
        """Settle an upload's format: PCM without header, `lanes` whole utterances in work side by side."""
        self._set_up(audio_format, Transcript(partials="off", lanes=lanes, whole=True), may_have_header=False)

    def receive(self, message: ClientMessage, now: float) -> None:
        """Take in one message of the client."""
        self._deadlines.heard(now)
        match message:
            case AudioChunk(data, sequence):
                self._receive_audio(data, sequence, now)
            case BinaryAudio(data):
                if self._is_opted_in(CloseCode.UNSUPPORTED_DATA):
                    self._receive_audio(data, None, now)
            case Start():
                self._receive_start(message)
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

    def take_work(self) -> Work | None:
        """The next piece of speech for the model; None while there is none or its lane is busy."""
        return self._transcript.take_work()

    def deliver(self, work: Work, outcome: Outcome) -> None:
        """Take in what the model made of a work."""
        if self.state is State.CLOSED:
            return
        self.numbers.model_s += outcome.model_s
        for message in self._transcript.deliver(work, outcome):
            self._replies.tell(message)
        if work.end:
            self._settle()

    def take_messages(self) -> list[ServerMessage]:
        """What the client is to be told, in order; results are stamped by who sends them."""
        return self._replies.take()

    def tick(self, now: float) -> None:
        """Let the timers that have passed act."""
        passed = self._deadlines.passed(now)
        if passed in FATALITIES:
            self.fail(FATALITIES[passed])
        elif passed is not None:
            self._end(passed, now)

    def touch(self, now: float) -> None:
        """The client gave a sign of life that is no message."""
        self._deadlines.heard(now)

    @property
    def is_held(self) -> bool:
        """Whether the server does not read this client now."""
        return self._deadlines.is_held

    def hold(self, now: float) -> None:
        """The server stops reading this client, and judging it."""
        self._deadlines.hold(now)

    def release(self, now: float) -> None:
        """The server reads this client again."""
        self._deadlines.release(now)

    def end(self, happening: Input, now: float, *, deadline_ms: int = 0) -> None:
        """End as the server wishes (`END`, `DRAIN`): what is owed is answered first.

        Who sent `start` is told of a drain at once, and within what time it will be over.
        """
        if happening is Input.DRAIN and self.opted_in and self.state is State.ACTIVE:
            self._replies.tell(Closing("drain", deadline_ms, resume=False))
        self._end(happening, now)

    def fail(
        self,
        code: ErrorCode,
        *,
        close_code: CloseCode | None = None,
        number: int | None = None,
        expected: int | None = None,
    ) -> None:
        """End at once, by a fatal error; what was owed is not answered on this connection."""
        if self.state is State.CLOSED:
            return
        self._step(CAUSES.get(code, Input.FATAL))
        self._replies.complain(EarfulError(code), number, fatal=True, expected=expected)
        self.closing = Close(close_code or ERRORS[code].close_code, code.value)

    def lose(self, reason: str) -> None:
        """The connection is gone: nothing more can be said."""
        if self.state is not State.CLOSED:
            self._step(Input.GONE)
            self.closing = Close(CloseCode.GOING_AWAY, reason)

    def _set_up(self, audio_format: Format, transcript: Transcript, *, may_have_header: bool = True) -> None:
        self._format = audio_format
        self._transcript = transcript
        self._listener = Listener(self._rules, audio_format, transcript, Position(), may_have_header=may_have_header)

    def _step(self, happening: Input) -> bool:
        """Change state by the table; True where the session was still listening, so that it should act."""
        listening = self.state is State.CREATE or self.state is State.ACTIVE
        after = TRANSITIONS[self.state].get(happening)
        if after is None:
            self.fail(ErrorCode.UNEXPECTED_MESSAGE)
            return False
        self.state = after
        return listening

    def _is_opted_in(self, close_code: CloseCode | None = None) -> bool:
        """Whether `start` was accepted; a message that needs it and comes without ends the connection."""
        if not self.opted_in and self.state in (State.CREATE, State.ACTIVE):
            self.fail(ErrorCode.UNEXPECTED_MESSAGE, close_code=close_code)
        return self.opted_in

    def _receive_start(self, start: Start) -> None:
        if self.state is not State.CREATE:
            self._step(Input.START)
            return
        try:
            audio_format = format_of(start)
        except EarfulError as unsupported:
            self._complain(unsupported)
            return
        self._step(Input.START)
        self._set_up(audio_format, Transcript(partials=start.partials, words=start.words))
        self.opted_in = True
        self.info = SessionInfo(self.info.session_id, start.language, start.words)
        self._numbering = Numbering(expected=1)
        self._replies.tell(started(self.info, self._format, self._limits))

    def _receive_audio(self, data: bytes, sequence: int | None, now: float) -> None:
        if self.state is not State.ACTIVE and not self._step(Input.AUDIO):
            return
        number = self._numbering.number(sequence)
        if not self._may_use(number, now):
            return
        if len(data) * 1000 > self._limits.max_chunk_ms * self._format.frame_bytes * self._format.sample_rate:
            self._give_up(number)
            longest_ms = self._limits.max_chunk_ms
            self._complain(EarfulError(ErrorCode.BAD_AUDIO, f"A chunk may be at most {longest_ms} ms long."), number)
            return
        self._numbering.use(number)
        self._listener.hear(number, data, now)
        self.numbers.add_chunk(len(data), self._listener.received_ms)
        if self._is_too_fast(now):
            self.fail(ErrorCode.AUDIO_TOO_FAST)

    def _may_use(self, number: int, now: float) -> bool:
        """Check a chunk's number; complains where it is not the expected one."""
        expected = self._numbering.expected
        if number > MAX_SEQUENCE:
            self.fail(ErrorCode.SESSION_TOO_LONG)
            return False
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

    def _is_too_fast(self, now: float) -> bool:
        speed = self._limits.max_speed
        return bool(speed) and self.numbers.audio_ms > (speed * (now - self.began_at) + SPEED_ALLOWANCE_S) * 1000

    def _flush(self, flush: Flush, now: float) -> None:
        self._listener.cut("flush", now)
        self._flushes.append((flush, self._numbering.newest, self._transcript.next_index))
        self._settle()

    def _end(self, happening: Input, now: float) -> None:
        """Stop listening; the open utterance gets its final, and after `stop` there is always a last one."""
        if not self._step(happening):
            return
        self._farewell = happening
        self._listener.cut(ENDINGS[happening][0], now)
        if happening is Input.STOP:
            self._transcript.close(end_ms=self._listener.received_ms, sequence=self._numbering.newest)
        self._settle()

    def _settle(self) -> None:
        """Tell the finals whose turn has come, each followed by the flushes it answers, and at last the end."""
        while True:
            while self._flushes and self._flushes[0][2] <= self._transcript.answered_index:
                flush, sequence, _ = self._flushes.popleft()
                self._replies.tell(Flushed(flush.id, sequence))
            final = self._transcript.take_final()
            if final is None:
                break
            self._replies.tell(final)
        if self._farewell is not None and self._transcript.answered_index == self._transcript.next_index:
            _, code, self.closing = ENDINGS[self._farewell]
            self._step(Input.ANSWERED)
            if code is not None:
                self._replies.complain(EarfulError(code), fatal=True)

    def _complain(self, mistake: EarfulError, number: int | None = None, *, expected: int | None = None) -> None:
        """Tell the client of an error that is not fatal by itself; one counted mistake too many is."""
        if self._replies.complain(mistake, number, expected=expected):
            self._step(Input.FATAL)
            self.closing = Close(CloseCode.POLICY, "too_many_mistakes")
