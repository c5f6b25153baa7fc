"""Traces: what the service tells of sessions, uploads, model and store, for spans to be made of it; or for nothing.

Guarantees that telling never waits and never raises, that nothing is told per message, and no text, audio or token
ever. `app.py` opens the one `Tracer` of a worker; OpenTelemetry is loaded only where `tracing` is on (`otel.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from earful.settings import SettingsError

if TYPE_CHECKING:
    from earful.errors import ErrorCode
    from earful.settings import Settings
    from earful.telemetry.logs import Logger
    from earful.telemetry.traceparent import TraceParent

CLOSE_WITHIN_S = 1.0
"""How long a worker that ends waits for its last spans to be delivered."""
_MISSING = "tracing is on ({source}), but OpenTelemetry is not installed; install earful[otel], or turn it off."


class Trace(Protocol):
    """What is told of one session on one connection, or of one upload."""

    def resumed(self, session_id: str, attempt: int) -> None:
        """The session is another one's `attempt`-th resumption: all its connections share a trace."""

    def answered(self, lag_s: float) -> None:
        """The model answered the end of an utterance, `lag_s` after its newest news came; its final follows."""

    def told(self, index: int, start_ms: int, end_ms: int, reason: str) -> None:
        """The client was told the final of an utterance."""

    def note(self, **numbers: float) -> None:
        """What it amounted to."""

    def end(self, reason: str, *, failed: bool) -> None:
        """It is over; `failed` where an error of server or client ended it."""


class Tracer(Protocol):
    """Where a worker's traces begin."""

    def session(self, session_id: str, parent: TraceParent | None) -> Trace:
        """A session begins, on the client's word in the trace of `parent`."""

    def upload(self, upload_id: str, parent: TraceParent | None) -> Trace:
        """An upload begins."""

    @property
    def lost(self) -> int:
        """Spans that were dropped or could not be delivered, since the start."""

    def model_called(self, session_id: str, seconds: float, failure: ErrorCode | None) -> int:
        """The model answered a work of this session or upload: a span. How many are to pass before the next one.

        The engine's observer.
        """

    def store_asked(self, seconds: float, failure: str) -> None:
        """The store answered, or failed with what `failure` names; some of these become spans. The link's observer."""

    def sweep(self, now: float) -> None:
        """Say what could not be delivered, at most once a minute; `now` in seconds."""

    async def close(self) -> None:
        """Deliver what is left, in bounded time."""


class _NoTrace:
    """Hears and forgets."""

    def resumed(self, session_id: str, attempt: int) -> None:
        pass

    def answered(self, lag_s: float) -> None:
        pass

    def told(self, index: int, start_ms: int, end_ms: int, reason: str) -> None:
        pass

    def note(self, **numbers: float) -> None:
        pass

    def end(self, reason: str, *, failed: bool) -> None:
        pass


class _NoTracer:
    """Begins nothing."""

    lost = 0

    def session(self, session_id: str, parent: TraceParent | None) -> Trace:
        del session_id, parent
        return NO_TRACE

    def upload(self, upload_id: str, parent: TraceParent | None) -> Trace:
        del upload_id, parent
        return NO_TRACE

    def model_called(self, session_id: str, seconds: float, failure: ErrorCode | None) -> int:
        del session_id, seconds, failure
        return 0

    def store_asked(self, seconds: float, failure: str) -> None:
        pass

    def sweep(self, now: float) -> None:
        pass

    async def close(self) -> None:
        pass


NO_TRACE: Final[Trace] = _NoTrace()
NO_TRACER: Final[Tracer] = _NoTracer()
"""The tracer where `tracing` is off."""


def check_tracing(settings: Settings) -> None:
    """Raise SettingsError where `tracing` is on and cannot be. What it loads, processes forked later share."""
    if settings.tracing == "off":
        return
    try:
        from earful.telemetry import otel
    except ModuleNotFoundError as missing:
        if missing.name is None or not missing.name.startswith("opentelemetry"):
            raise
        raise SettingsError(_MISSING.format(source=settings.source_of("tracing"))) from None
    otel.check_exporter()


def open_tracer(settings: Settings, log: Logger, worker_id: str) -> Tracer:
    """A worker's tracer, made in its own process: it has a thread. Raises SettingsError as `check_tracing` does."""
    check_tracing(settings)
    if settings.tracing == "off":
        return NO_TRACER
    from earful.telemetry import otel

    return otel.open_tracer(log, worker_id, settings.tracing_calls_percent)
