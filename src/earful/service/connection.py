"""One live session on one WebSocket: the place where core, model and transport meet.

Frame callback in, engine callback out, one line left to right (`_pump`); no task and no timer of its
own. The registry's sweep calls `tick`. Whatever way a connection ends, it ends once, here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import decode, encode
from earful.protocol.messages import BinaryAudio, Error, Final, Partial, ServerMessage
from earful.service.account import Account
from earful.service.outbox import Outbox, OutboxLimits
from earful.service.throttle import Throttle
from earful.session.claim import Verdict
from earful.telemetry.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.engine.seat import Seat
    from earful.models.types import Outcome, SessionInfo, Work
    from earful.protocol.messages import Leaving
    from earful.protocol.states import Input
    from earful.service.wire import Wire
    from earful.session.claim import Claim
    from earful.session.session import Session
    from earful.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds on a connection beside those of its session."""

    outbox: OutboxLimits
    max_messages_per_s: float = 1000.0
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0


class Connection:
    """Drives one session.

    `on_end` is called once, when nothing more will be said or heard; `on_fault` before it where a bug of
    ours ends it. `ask` takes a session's claim to the directory: the verdict, or None where `claimed` will
    bring it; meanwhile nothing is read.
    """

    __slots__ = (
        "_clock",
        "_ended",
        "_limits",
        "_metrics",
        "_on_end",
        "_on_fault",
        "_open_seat",
        "_outbox",
        "_pinged_at",
        "_seen_at",
        "_throttle",
        "account",
        "ask",
        "lag_s",
        "longest_lag_s",
        "seat",
        "session",
        "wire",
    )

    def __init__(
        self,
        session: Session,
        wire: Wire,
        open_seat: Callable[[SessionInfo], Seat],
        limits: ConnectionLimits,
        metrics: Metrics,
        on_end: Callable[[Connection], None],
        on_fault: Callable[[Connection, Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to listen; `wire` is upgraded and reading. All times are in the seconds of `clock`."""
        self.session = session
        self.wire = wire
        self.lag_s = 0.0
        self.longest_lag_s = -1.0
        """Below any lag, so that the account hears of the first result too."""
        self.account = Account(session)
        self.ask: Callable[[Connection, Claim], Verdict | None] = _grant
        self._clock = clock
        self._open_seat = open_seat
        self.seat: Seat | None = None
        """At the engine; not before there is speech."""
        self._limits = limits
        self._metrics = metrics
        self._on_end = on_end
        self._on_fault = on_fault
        self._outbox = Outbox(wire, limits.outbox)
        self._throttle = Throttle(limits.max_messages_per_s, session.began_at)
        self._seen_at = session.began_at
        self._pinged_at: float | None = None
        self._ended = False

    @property
    def unsent_bytes(self) -> int:
        """Results that the peer has not taken."""
        return self._outbox.unsent_bytes

    @property
    def seen_at(self) -> float:
        """When the client last gave a sign of life."""
        return self._seen_at

    @property
    def totals(self) -> Totals:
        """What came and what was told on this connection."""
        numbers, dropped = self.session.numbers, self._outbox.partials_dropped
        return Totals(
            numbers.chunks, numbers.heard_ms, numbers.speech_ms, numbers.partials - dropped, dropped, numbers.finals
        )

    def message(self, text: bytes | str) -> None:
        """A text frame came."""
        if self._ended:
            return
        now = self._clock()
        try:
            self._see(now)
            try:
                message = decode(text)
            except EarfulError as mistake:
                self.session.refuse(mistake, now)
            else:
                self.session.receive(message, now)
            self._pump(now)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            self._crash(fault, now)

    def audio(self, data: bytes) -> None:
        """A binary frame came."""
        if self._ended:
            return
        now = self._clock()
        try:
            self._see(now)
            self.session.receive(BinaryAudio(data), now)
            self._pump(now)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            self._crash(fault, now)

    def pinged(self) -> None:
        """A ping came (the transport answers it): it counts against `idle_timeout_s`."""
        self._do(self._touch)

    def ponged(self) -> None:
        """A pong came: the peer lives."""
        self._do(self._see)

    def writable(self) -> None:
        """The peer took everything that was queued."""
        self._do(lambda _: self._outbox.drained())

    def lost(self, reason: str, close_code: int = CloseCode.ABNORMAL, peer_code: int | None = None) -> None:
        """The connection is gone, as `reason` says (`peer_closed`, ...); with what it closed, and its peer."""
        self.account.is_lost(close_code, peer_code)
        self._do(lambda _: self.session.lose(reason))

    def end(self, happening: Input, *, within_s: float = 0.0, reason: Leaving = "drain") -> None:
        """End the session as the server wishes: `END` (DELETE), `DRAIN` or `HAND_OVER`, as `Session.end` says."""
        self._do(lambda now: self.session.end(happening, now, deadline_ms=int(within_s * 1000), reason=reason))

    def leave(self) -> None:
        """Hand the session over at once, whatever it is owed still."""
        self._do(lambda _: self.session.leave())

    def claimed(self, verdict: Verdict) -> None:
        """The directory has decided, later than it was asked."""
        self._do(lambda now: self.session.claimed(verdict, now))

    def crash(self, fault: Exception) -> None:
        """A bug of ours, met elsewhere, in what this session waits for."""
        if not self._ended:
            self._crash(fault, self._clock())

    def fail(self, code: ErrorCode) -> None:
        """End the session at once with this error; what it is owed can wait no longer."""
        self._do(lambda _: self.session.fail(code))

    def tick(self, now: float) -> None:
        """Let deadlines act; called by the sweep."""
        try:
            self._tick(now)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            self._crash(fault, now)

    def _do(self, what: Callable[[float], object]) -> None:
        """Do what does not come with every chunk, unless all is over, and see what comes of it."""
        if self._ended:
            return
        now = self._clock()
        try:
            what(now)
            self._pump(now)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            self._crash(fault, now)

    def _tick(self, now: float) -> None:
        session = self.session
        if now >= session.due:
            session.tick(now)
            self._pump(now)
        elif self._throttle.is_closed:
            self._pump(now)
        if self._ended:
            return
        if self._outbox.is_overdue(now):
            self.account.is_unread(self.unsent_bytes)
            session.fail(ErrorCode.SLOW_READER)
            self._pump(now)
        elif not session.is_held and now - self._seen_at >= self._limits.ping_interval_s:
            self._probe(now)

    def _touch(self, now: float) -> None:
        self._see(now)
        self.session.touch(now)

    def _see(self, now: float) -> None:
        self._seen_at = now
        self._pinged_at = None
        if self._throttle.is_closed_by_one_more(now):
            self._regulate(now)

    def _probe(self, now: float) -> None:
        """Ping a silent peer; one that does not answer in time is gone."""
        if self._pinged_at is None:
            self._pinged_at = now
            self.wire.ping()
        elif now - self._pinged_at >= self._limits.ping_timeout_s:
            self.wire.abort()
            self.lost("ping_timeout")

    def _deliver(self, work: Work, outcome: Outcome) -> None:
        """Take the model's answer; the engine calls this, later than `submit`, on the loop."""
        now = self._clock()
        try:
            self.session.deliver(work, outcome)
            if work.end:
                self.account.completes(now - work.since_s)
            told = self._pump(now)
        except Exception as fault:  # noqa: BLE001 - a connection's boundary: it ends, visibly, and no other
            self._crash(fault, now)
            return
        if told:
            answered_at = self._clock()
            self.lag_s = lag_s = answered_at - work.since_s
            self._metrics.answered(lag_s)
            if lag_s > self.longest_lag_s:
                self.longest_lag_s = lag_s
                self.account.answers(answered_at)

    def _pump(self, now: float) -> bool:
        """Move work to the model, messages to the client, and settle whether to go on reading.

        True where the client was told something.
        """
        session = self.session
        if session.closing is None and (work := session.take_work()) is not None:
            self._submit(work)
        messages = session.take_messages()
        if messages:
            self._tell(messages, now)
        if session.closing is not None:
            self._finish()
        elif session.wants_input == session.is_held or self._throttle.is_closed:
            self._regulate(now)
        return bool(messages)

    def _submit(self, work: Work) -> None:
        seat = self.seat
        if seat is None:
            seat = self.seat = self._open_seat(self.session.info)
            self.account.speaks(self._clock())
        seat.submit(work, self._deliver)

    def _tell(self, messages: list[ServerMessage], now: float) -> None:
        for message in messages:
            if isinstance(message, Partial):
                message.timestamp = int(time.time())
                self._outbox.send_partial(message, now)
            elif isinstance(message, Final):
                message.timestamp = int(time.time())
                self._outbox.send_final(encode(message), message.index, now)
                self.account.finishes(message)
            else:
                self.account.says(message, now)
                if isinstance(message, Error):
                    self._metrics.error_sent(ErrorCode(message.code))
                self._outbox.send(encode(message), now)

    def _regulate(self, now: float) -> None:
        """Read only while the model keeps up and the client keeps to its rate; what is not read is not judged.

        A claim too is met here: a session that has one wants no input until it is decided.
        """
        session = self.session
        claim = session.take_claim()
        verdict = None if claim is None else self.ask(self, claim)
        if verdict is not None:
            session.claimed(verdict, now)
            self._pump(now)
            return
        wants = session.wants_input and not self._throttle.holds(now)
        if wants and session.is_held:
            session.release(now)
            self.account.is_released(now)
            self._seen_at = now
            self._pinged_at = None
            self.wire.resume_reading()
        elif not wants and not session.is_held:
            session.hold(now)
            self.account.is_held(now)
            self.wire.pause_reading()

    def _crash(self, fault: Exception, now: float) -> None:
        """A bug of ours, in this session: it ends with `internal`, the others go on."""
        try:
            self._on_fault(self, fault)
            self.session.fail(ErrorCode.INTERNAL)
            self._tell(self.session.take_messages(), now)
        finally:  # Also where the bug is met again: its place and the model are given back.
            self._finish()

    def _finish(self) -> None:
        """End once: the model is let go, the socket closed after what was said."""
        if self._ended:
            return
        self._ended = True
        self._outbox.close()
        if self.seat is not None:
            self.seat.close()
        closing = self.session.closing
        try:
            if closing is None:  # A bug, met again at the end.
                self.wire.abort()
            else:
                self.wire.close(closing.code, closing.reason)
        finally:
            self._on_end(self)


def _grant(_: Connection, claim: Claim) -> Verdict:
    """Let every session begin: nobody else knows of any."""
    del claim
    return Verdict.GRANTED
