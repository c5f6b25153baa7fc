"""What one connection tells of its session, from the upgrade to the end, so that a reader can say why it ended.

Guarantees that what can come often (errors, backpressure) is told at most once a second, and counted for the end. The
`Connection` and the registry call it; nothing here runs for every chunk.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from earful.protocol.messages import Closing, Error, Started
from earful.service.language import tag_of
from earful.service.origin import NOWHERE, Origin
from earful.service.reasons import is_fault, sentence_of
from earful.telemetry.cleaning import places_of
from earful.telemetry.tracing import NO_TRACE

if TYPE_CHECKING:
    from earful.errors import EarfulError
    from earful.protocol.messages import Final, ServerMessage
    from earful.session.session import Session
    from earful.telemetry.events import Events
    from earful.telemetry.log_level import Level
    from earful.telemetry.tracing import Trace

TOLD_EVERY_S = 1.0


class Account:
    """One connection's account of its session. Times are in the seconds of the session's clock."""

    def __init__(
        self,
        session: Session,
        events: Events | None = None,
        origin: Origin = NOWHERE,
        trace: Trace = NO_TRACE,
        *,
        tells_text: bool = False,
    ) -> None:
        """Of a connection made now; without `events` nobody is told but the `trace`. `tells_text`: finals' text too."""
        self.origin = origin
        self._trace = trace
        self._tells_text = tells_text
        self._session = session
        self._events = events
        self._connected_at = session.began_at
        self._first_result_at: float | None = None
        self._first_speech_at: float | None = None
        self._held_since: float | None = None
        self._held_s = 0.0
        self._holds = 0
        self._held_told_at = self._error_told_at = -math.inf
        self._errors_untold = 0
        self._drawn_id = session.info.session_id
        self._lost_with: int | None = None
        self._peer_code: int | None = None

    def connected(self, *, is_resuming: bool) -> None:
        """The upgrade was answered: a client is there."""
        session, origin = self._session, self.origin
        if self._events is not None:
            self._events.open(session.info.session_id, **origin.context(session.info.session_id))
        tenant: dict[str, Any] = {"tenant": session.opening.tenant} if session.opening.tenant else {}
        self._tell("session connected", peer=origin.peer, transport=origin.transport, resuming=is_resuming, **tenant)

    def goes_on_with(self, session_id: str, attempt: int) -> None:
        """It is the `attempt`-th resumption of this session, whose id it has from now on."""
        if self._events is not None:
            self._events.rename(self._drawn_id, session_id, **self.origin.context(session_id))
        self._trace.resumed(session_id, attempt)

    def speaks(self, now: float) -> None:
        """The first speech of this connection goes to the model."""
        session = self._session
        self._first_speech_at = now
        if not session.opted_in:
            self._tell("session started", plain=True, after_ms=self._since_ms(session.started_at), **self._format)
        self._tell("first speech", level="debug", after_ms=self._since_ms(now), audio_ms=session.numbers.audio_ms)

    def answers(self, now: float) -> None:
        """A result was told, the first one or one that took longer than those before."""
        if self._first_result_at is None:
            self._first_result_at = now

    def completes(self, lag_s: float) -> None:
        """The model answered the end of an utterance, `lag_s` after its newest audio came; its final follows."""
        self._trace.answered(lag_s)

    def says(self, message: ServerMessage, now: float) -> None:
        """The client is told something that is no result."""
        if isinstance(message, Error):
            self._complains(message, now)
        elif isinstance(message, Started):
            self._starts(message)
        elif isinstance(message, Closing):
            self._tell("session sent on" if message.resume is True else "session asked to end", reason=message.reason)

    def finishes(self, final: Final) -> None:
        """A final is told; its text only to the log, where the operator wished for it."""
        self._trace.told(final.index, final.start_ms, final.end_ms, final.reason)
        if self._tells_text and self._events is not None:
            self._events.tell_text(self._session.info.session_id, final.text, index=final.index)

    def is_held(self, now: float) -> None:
        """The socket is not read for now."""
        session = self._session
        if session.opening.terms is not None:  # For the directory: a moment that belongs to every start.
            return
        self._held_since = now
        self._holds += 1
        if now - self._held_told_at >= TOLD_EVERY_S:
            self._held_told_at = now
            waits_for = "model" if not session.wants_input else "rate limit"
            self._tell("reading paused", level="debug", waits_for=waits_for, buffered_ms=session.backlog_ms)

    def is_released(self, now: float) -> None:
        """The socket is read again."""
        if self._held_since is None:
            return
        held_s = now - self._held_since
        self._held_s += held_s
        if self._held_told_at == self._held_since or held_s >= TOLD_EVERY_S:
            self._tell("reading resumed", level="debug", paused_ms=round(held_s * 1000))
        self._held_since = None

    def is_unread(self, unsent_bytes: int) -> None:
        """The peer has not taken what it was told for too long."""
        self._tell("slow reader", unsent_bytes=unsent_bytes)

    def is_lost(self, close_code: int, peer_code: int | None) -> None:
        """The connection is gone: the code this side's close had, 1006 where it sent none, and the peer's, if any."""
        self._lost_with, self._peer_code = close_code, peer_code

    def is_superseded(self, attempt: int) -> None:
        """The client has resumed the session on another connection of this worker."""
        self._tell("session superseded", by_attempt=attempt)

    def fails(self, fault: Exception) -> None:
        """A bug of ours ends the session; without the fault's words, which may be what somebody said."""
        self._tell("session failed", level="error", error=type(fault).__name__, traceback=places_of(fault))

    def ends(self, now: float, *, lag_s: float, longest_lag_s: float, silent_s: float) -> str:
        """Nothing more will be said or heard: tell why and what it amounted to; the reason."""
        session, closing = self._session, self._session.closing
        self._add_hold(now)
        reason = closing.reason if closing is not None else "internal"
        numbers: dict[str, Any] = session.numbers.as_dict()
        self._tell(
            "session ended",
            peer=self.origin.peer,
            reason=reason,
            why=sentence_of(reason),
            close_code=self._close_code,
            peer_code=self._peer_code,
            duration_s=round(now - session.began_at, 3),
            connected_s=round(now - self._connected_at, 3),
            start_after_ms=self._since_ms(session.started_at),
            speech_after_ms=self._since_ms(self._first_speech_at),
            result_after_ms=self._since_ms(self._first_result_at),
            lag_ms=round(lag_s * 1000),
            longest_lag_ms=max(0, round(longest_lag_s * 1000)),
            silent_s=round(silent_s, 3),
            holds=self._holds,
            held_s=round(self._held_s, 3),
            **{**numbers, "model_s": round(numbers["model_s"], 3)},
        )
        self._trace.note(**numbers)
        self._trace.end(reason, failed=is_fault(reason))
        if self._events is not None:
            self._events.close(session.info.session_id)
        return reason

    @property
    def _close_code(self) -> int | None:
        """What the connection closed with: of one that was lost that is not what the session would have said."""
        if self._lost_with is not None:
            return int(self._lost_with)
        closing = self._session.closing
        return None if closing is None else int(closing.code)

    @property
    def _format(self) -> dict[str, Any]:
        audio = self._session.format
        return {"encoding": audio.encoding.value, "sample_rate": audio.sample_rate, "channels": audio.channels}

    def _starts(self, started: Started) -> None:
        session = self._session
        drawn: dict[str, Any] = {"drawn_id": self._drawn_id} if session.attempt else {}
        self._tell(
            "session resumed" if session.attempt else "session started",
            after_ms=self._since_ms(session.started_at),
            **self._format,
            language=tag_of(session.info.language),
            words=session.info.words,
            attempt=session.attempt,
            from_sequence=started.next_sequence,
            from_index=started.next_index,
            audio_ms=session.numbers.audio_ms,
            **drawn,
        )

    def _complains(self, error: Error, now: float) -> None:
        is_fatal = error.fatal is True
        if not is_fatal and now - self._error_told_at < TOLD_EVERY_S:
            self._errors_untold += 1
            return
        self._error_told_at = now
        numbers: dict[str, Any] = {
            name: value for name in ("sequence", "expected") if isinstance(value := getattr(error, name), int)
        }
        untold: dict[str, Any] = {"untold": self._errors_untold} if self._errors_untold else {}
        self._errors_untold = 0
        self._tell("error told", code=error.code, fatal=is_fatal, **numbers, **untold)

    def _add_hold(self, now: float) -> None:
        if self._held_since is not None:
            self._held_s += now - self._held_since
            self._held_since = None

    def _since_ms(self, at: float | None) -> int | None:
        """How long after the connection was made; None where it never was."""
        return None if at is None else round((at - self._connected_at) * 1000)

    def _tell(self, event: str, *, level: Level = "info", **fields: Any) -> None:
        if self._events is not None:
            self._events.tell(self._session.info.session_id, event, level=level, **fields)


def tell_refusal(events: Events, origin: Origin, refused: EarfulError) -> None:
    """Somebody was not let in; there is no session yet, so the line has what is known of the request."""
    context: dict[str, Any] = origin.context(origin.request_id)
    events.tell_often(
        "session refused",
        code=refused.code.value,
        why=refused.text,
        peer=origin.peer,
        transport=origin.transport,
        **context,
    )
