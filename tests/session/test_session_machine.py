"""A client that does anything, a model that takes its time and fails, and a clock: what always holds of a session."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET
from tests.session.recordings import recorded, silence, stretch
from tests.session.talk import Talk, heard, mark_of, whole

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.models.types import Outcome, Work
from earful.protocol.messages import (
    Ack,
    AudioChunk,
    BinaryAudio,
    Error,
    Final,
    Flush,
    Flushed,
    Keepalive,
    Partial,
    Start,
    Stop,
)
from earful.protocol.states import Input, State
from earful.session.rules import ListeningRules, SessionLimits

RULES = ListeningRules(max_utterance_s=2.5, endpoint_silence_ms=300)
LIMITS = SessionLimits(idle_timeout_s=60, max_session_s=600, stall_timeout_s=120, max_speed=0)
VOICE = recorded(stretch(3.6, 9.0) + silence(2) + stretch(19.3, 23.4) + silence(11), noise_rms=20)
"""Noisy, so that no two stretches of it are alike."""
ANSWERING = {CloseCode.NORMAL, CloseCode.IDLE, CloseCode.RESTART}
BYTES_PER_MS = 32


class Conversation(RuleBasedStateMachine):
    """Client, session and model; `said` is checked message by message as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk(rules=RULES, limits=LIMITS)
        self.sent = b""
        self.sequence = 0
        self.at = 0
        self.work: Work | None = None
        self.heard: dict[int, bytes] = {}
        self.finals: list[Final] = []
        self.newest_end_ms = 0
        self.newest_mark = 0
        self.owed: list[tuple[str, int]] = []
        self.has_stopped = False
        self.was_closed = False

    @property
    def is_open(self) -> bool:
        """Whether the client still has a connection."""
        return self.talk.session.closing is None

    @property
    def is_listening(self) -> bool:
        """Whether what the client sends is heard."""
        return self.talk.session.state in (State.CREATE, State.ACTIVE)

    @initialize(opts_in=st.booleans(), partials=st.sampled_from(["fragment", "cumulative", "off"]))
    def begin(self, opts_in: bool, partials: str) -> None:  # noqa: FBT001 - drawn
        """Connect, with or without `start`."""
        self.opts_in = opts_in
        if opts_in:
            self.talk.send(Start(partials=partials, words=True))  # type: ignore[arg-type]

    @precondition(lambda self: self.is_open)
    @rule(
        size_bytes=st.one_of(st.integers(0, 700), st.integers(1, 64_000), st.integers(30_000, 64_000)),
        binary=st.booleans(),
    )
    def speak(self, size_bytes: int, binary: bool) -> None:  # noqa: FBT001 - drawn
        """The next piece of the recording."""
        data = VOICE[self.at : self.at + size_bytes]
        self.at = (self.at + size_bytes) % len(VOICE)
        if self.is_listening:
            self.sent += data
            self.sequence += 1
        chunk = BinaryAudio(data) if binary and self.opts_in else AudioChunk(data, self.sequence)
        self.talk.session.receive(chunk, self.talk.now)

    @precondition(lambda self: self.is_open and self.sequence)
    @rule()
    def repeat(self) -> None:
        """A chunk that was already sent: heard once."""
        self.talk.session.receive(AudioChunk(VOICE[:999], self.sequence), self.talk.now)

    @precondition(lambda self: self.is_open and self.opts_in)
    @rule()
    def flush(self) -> None:
        """A flush; all utterances there are now must be answered before it."""
        name = f"{self.talk.now}/{len(self.owed)}"
        was_listening = self.is_listening
        covered = self.talk.session._transcript
        self.talk.session.receive(Flush(name), self.talk.now)
        if was_listening:
            self.owed.append((name, covered.next_index))

    @precondition(lambda self: self.is_open and self.opts_in)
    @rule()
    def keep_alive(self) -> None:
        """No answer."""
        self.talk.session.receive(Keepalive(), self.talk.now)

    @precondition(lambda self: self.is_open)
    @rule(code=st.sampled_from([*[ErrorCode.UNKNOWN_TYPE] * 4, ErrorCode.BAD_JSON]))
    def babble(self, code: ErrorCode) -> None:
        """What is no message."""
        self.talk.session.refuse(EarfulError(code), self.talk.now)

    @precondition(lambda self: self.is_open and len(self.sent) > 200_000)
    @rule()
    def stop(self) -> None:
        """The end of the audio."""
        self.has_stopped = self.has_stopped or self.is_listening
        self.talk.session.receive(Stop(), self.talk.now)

    @precondition(lambda self: self.is_open and len(self.sent) > 200_000)
    @rule(happening=st.sampled_from([Input.END, Input.DRAIN, Input.HAND_OVER]))
    def end(self, happening: Input) -> None:
        """The server wants it to end; who has no cursor is not handed over."""
        if happening is Input.HAND_OVER and not self.talk.session.can_resume:
            happening = Input.DRAIN
        self.talk.session.end(happening, self.talk.now)

    @precondition(lambda self: self.is_open and self.talk.session.can_resume and len(self.sent) > 200_000)
    @rule()
    def leave(self) -> None:
        """The server has no time left."""
        self.talk.session.leave()

    @precondition(lambda self: self.is_open and len(self.sent) > 200_000)
    @rule(is_lost=st.booleans())
    def break_off(self, is_lost: bool) -> None:  # noqa: FBT001 - drawn
        """The connection is lost, or the server fails."""
        if is_lost:
            self.talk.session.lose("reset")
        else:
            self.talk.session.fail(ErrorCode.INTERNAL)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 20.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and the sweep looks."""
        self.talk.now += seconds
        self.talk.session.tick(self.talk.now)

    @rule()
    def push_back(self) -> None:
        """The server stops reading, or reads again."""
        session = self.talk.session
        (session.release if session.is_held else session.hold)(self.talk.now)

    @precondition(lambda self: self.work is None)
    @rule()
    def ask(self) -> None:
        """The model is given what waits; never more than one work is in flight."""
        self.work = self.talk.session.take_work()
        if self.work is not None:
            assert self.talk.session.take_work() is None
            self.heard[self.work.index] = self.heard.get(self.work.index, b"") + self.work.pcm

    @precondition(lambda self: self.work is not None)
    @rule(failure=st.sampled_from([None, None, None, ErrorCode.MODEL_FAILED, ErrorCode.MODEL_TIMEOUT]))
    def answer(self, failure: ErrorCode | None) -> None:
        """The model answers, or fails."""
        work, self.work = self.work, None
        assert work is not None
        text = f"{work.index} "
        good = whole(text * len(self.heard[work.index])) if work.end else heard(text)
        self.talk.session.deliver(work, good if failure is None else Outcome(None, failure))

    @invariant()
    def what_is_told_is_right(self) -> None:
        """Each message as it comes, and none after the close."""
        fresh = self.talk.take()
        assert not (self.was_closed and fresh)
        self.was_closed = not self.is_open
        for message in fresh:
            self._check(message)
        assert self.is_open == (self.talk.session.state is not State.CLOSED)
        if self.was_closed and fresh:
            self._check_end(fresh[-1])

    def _check(self, message: object) -> None:
        assert not (self.finals and self.finals[-1].last and isinstance(message, Final | Partial | Flushed))
        if isinstance(message, Final):
            self._check_final(message)
        elif isinstance(message, Partial):
            assert len(self.finals) == message.index
            assert self.newest_end_ms <= message.end_ms
            self.newest_end_ms = message.end_ms
        elif isinstance(message, Flushed):
            name, covered = self.owed.pop(0)
            assert name == message.id
            assert len(self.finals) == covered
        elif isinstance(message, Ack):
            self._check_mark(message)

    def _check_final(self, final: Final) -> None:
        assert len(self.finals) == final.index
        before = self.finals[-1] if self.finals else None
        assert (before.end_ms if before else 0) <= final.start_ms <= final.end_ms
        assert (before.sequence if before else 0) <= final.sequence <= self.sequence
        assert self.newest_end_ms <= final.end_ms <= len(self.sent) // BYTES_PER_MS
        assert (final.index in self.heard) == (final.end_ms > final.start_ms)
        assert not self.owed or self.owed[0][1] > final.index
        self.newest_end_ms = final.end_ms
        self.finals.append(final)
        if final.cursor is not UNSET:
            self._check_mark(final)

    def _check_mark(self, message: Ack | Final) -> None:
        """A cursor overtakes nothing that is owed, and marks only go forward."""
        assert self.opts_in
        mark = mark_of(message)
        assert mark.index == len(self.finals)
        assert not self.owed or self.owed[0][1] >= mark.index
        assert self.newest_mark < mark.samples <= len(self.sent) // 2
        assert mark.sequence <= self.sequence + 1
        self.newest_mark = mark.samples

    def _check_end(self, newest: object) -> None:
        close = self.talk.session.closing
        assert close is not None
        if close.code is CloseCode.DRAINED:
            assert not isinstance(newest, Error)
        if close.code not in ANSWERING:
            return
        assert [] == self.owed
        assert self.has_stopped == (bool(self.finals) and self.finals[-1].last)
        assert all(index < len(self.finals) for index in self.heard)
        assert self.talk.session.take_work() is None
        assert (close.code is CloseCode.NORMAL) != isinstance(newest, Error)

    def teardown(self) -> None:
        """Whatever happened, `stop` and an answering model bring it to an end, and nothing was heard twice."""
        if self.is_open:
            self.has_stopped = self.has_stopped or self.is_listening
            self.talk.session.receive(Stop(), self.talk.now)
        while self.is_open:
            if self.work is None:
                self.ask()
            self.answer(None)
            self.what_is_told_is_right()
        self.what_is_told_is_right()
        at = 0
        for index in sorted(self.heard):
            at = self.sent.index(self.heard[index], at) + len(self.heard[index])


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestConversation = Conversation.TestCase
