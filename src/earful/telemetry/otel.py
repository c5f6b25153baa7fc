"""Traces by OpenTelemetry: a span per session and per upload, and a sample of model and store calls.

Guarantees `tracing.py`'s promises; spans go to a thread that exports them (`span_export.py`), as the OTEL_* variables
say. `tracing.py` imports it where `tracing` is on, and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import time
from importlib.metadata import entry_points
from threading import Thread
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from earful import __version__
from earful.settings import SettingsError
from earful.telemetry.span_export import BoundedExport
from earful.telemetry.traceparent import TraceParent, trace_id_of
from earful.telemetry.tracing import CLOSE_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace.export import SpanExporter

    from earful.errors import ErrorCode
    from earful.telemetry.logs import Logger

TELL_EVERY_S = 60.0
_EXPORTER = "OTEL_TRACES_EXPORTER"
_SILENT = "none"
_OURS = "otlp_proto_http"
_ALL = 1 << 60
_NS = 1_000_000_000


def check_exporter() -> None:
    """Raise SettingsError where OTEL_TRACES_EXPORTER names what is not installed."""
    _exporter_class()


def open_tracer(log: Logger, worker_id: str, calls_percent: float) -> OtelTracer:
    """A worker's tracer, which exports as the OTEL_* variables say. Raises SettingsError as `check_exporter` does."""
    make = _exporter_class()
    # Each retry would be a line; that a batch was given up, and why, still is one.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    try:
        export = None if make is None else BoundedExport(make())
    except ValueError as fault:
        raise SettingsError(f"OpenTelemetry cannot use its OTEL_* variables: {fault}") from None
    return OtelTracer(export, log, worker_id, CallSampler(calls_percent), CallSampler(calls_percent))


def _exporter_class() -> Callable[[], SpanExporter] | None:
    """What makes the exporter that OTEL_TRACES_EXPORTER names; None where nothing is to be exported."""
    asked = os.environ.get(_EXPORTER, "").strip() or "otlp"
    if asked == _SILENT:
        return None
    name = _OURS if asked == "otlp" else asked
    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=name)), None)
    if found is None:
        raise SettingsError(f"{_EXPORTER} is {asked!r}; no exporter of this name is installed, otlp is.")
    make: Callable[[], SpanExporter] = found.load()
    return make


class CallSampler:
    """Takes a share of calls, by chance."""

    def __init__(self, percent: float, chance: random.Random | None = None) -> None:
        """Take `percent` of 100 calls, from 0 to 100."""
        self._miss = 1 - percent / 100
        self._chance = chance or random.Random()  # noqa: S311 - keeps no secret
        self._left = self.gap()

    def gap(self) -> int:
        """How many pass before the next that is taken: geometrically distributed, as if each were drawn alone."""
        if self._miss in {0, 1}:
            return _ALL if self._miss else 0
        return math.floor(math.log(1 - self._chance.random()) / math.log(self._miss))

    def takes(self) -> bool:
        """Whether this call is one of them."""
        left, self._left = self._left, self._left - 1
        if not left:
            self._left = self.gap()
        return not left


class SessionIds(RandomIdGenerator):
    """Random ids, but for a root span that is to have a given trace's."""

    def __init__(self) -> None:
        self.next_trace_id: int | None = None

    def generate_trace_id(self) -> int:
        """The given one, once."""
        wanted, self.next_trace_id = self.next_trace_id, None
        return super().generate_trace_id() if wanted is None else wanted


class OtelTracer:
    """A worker's tracer; used on its event loop only."""

    def __init__(
        self,
        export: BoundedExport | None,
        log: Logger,
        worker_id: str,
        model_calls: CallSampler,
        store_calls: CallSampler,
    ) -> None:
        """Give spans that have ended to `export`."""
        self._export = export
        self._log = log
        self._model_calls = model_calls
        self._first_call = model_calls.gap()
        """How many pass before the first one; the engine asks after the one that it sees first."""
        self._store_calls = store_calls
        self._ids = SessionIds()
        self._provider = TracerProvider(resource=_resource(worker_id), id_generator=self._ids, shutdown_on_exit=False)
        if export is not None:
            self._provider.add_span_processor(export)
        self._tracer = self._provider.get_tracer("earful", __version__)
        self.spans: dict[str, Span] = {}
        """Those under way, by the session's or upload's id."""
        self._told_at = -math.inf
        self._told_lost = 0

    @property
    def lost(self) -> int:
        """See `Tracer`."""
        return 0 if self._export is None else self._export.dropped + self._export.undelivered

    def session(self, session_id: str, parent: TraceParent | None) -> OtelTrace:
        """See `Tracer`."""
        return OtelTrace(self, "session", session_id, parent)

    def upload(self, upload_id: str, parent: TraceParent | None) -> OtelTrace:
        """See `Tracer`."""
        return OtelTrace(self, "upload", upload_id, parent)

    def model_called(self, session_id: str, seconds: float, failure: ErrorCode | None) -> int:
        """See `Tracer`; a child of the session's span, while there is one."""
        if self._first_call:
            to_pass, self._first_call = self._first_call, 0
            return to_pass - 1
        parent = self.spans.get(session_id)
        if parent is not None and parent.is_recording():
            self._call("model call", seconds, failure and failure.value, SpanKind.INTERNAL, set_span_in_context(parent))
        return self._model_calls.gap()

    def store_asked(self, seconds: float, failure: str) -> None:
        """See `Tracer`; a trace of its own, since exchanges are for all sessions."""
        if self._store_calls.takes():
            self._call("store turn", seconds, failure, SpanKind.CLIENT, Context())

    def sweep(self, now: float) -> None:
        """See `Tracer`."""
        if self.lost > self._told_lost and now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            self._tell_lost()

    async def close(self) -> None:
        """See `Tracer`: within `CLOSE_WITHIN_S`, whatever the exporter does."""
        # A thread that nobody waits for at the end of the process, unlike an executor's.
        last = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, CLOSE_WITHIN_S)
        if self._export is not None:
            self._export.give_up()
        if self.lost > self._told_lost:
            self._tell_lost()

    def begin(self, name: str, session_id: str, parent: TraceParent | None, at_ns: int) -> Span:
        """A span of the caller's trace, or a root of the session's own. For traces."""
        if parent is None:
            self._ids.next_trace_id = int(trace_id_of(session_id), 16)
        span = self._tracer.start_span(
            name,
            context=_context_of(parent),
            kind=SpanKind.SERVER,
            attributes={"session.id": session_id},
            start_time=at_ns,
        )
        self._ids.next_trace_id = None
        return span

    def _call(self, name: str, seconds: float, failure: str | None, kind: SpanKind, context: Context) -> None:
        now_ns = time.time_ns()
        span = self._tracer.start_span(name, context, kind, start_time=now_ns - int(seconds * _NS))
        if failure:
            span.set_attribute("error.type", failure)
            span.set_status(Status(StatusCode.ERROR))
        span.end(now_ns)

    def _tell_lost(self) -> None:
        self._told_lost = self.lost
        self._log.warning("spans were lost", lost=self._told_lost)


class OtelTrace:
    """The span of one session on one connection, or of one upload."""

    __slots__ = ("_began_ns", "_lag_s", "_name", "_parent", "_session_id", "_span", "_tracer")

    def __init__(self, tracer: OtelTracer, name: str, session_id: str, parent: TraceParent | None) -> None:
        """Begin now."""
        self._tracer = tracer
        self._name = name
        self._parent = parent
        self._lag_s: float | None = None
        self._began_ns = time.time_ns()
        self._begin(session_id)

    def resumed(self, session_id: str, attempt: int) -> None:
        """See `Trace`: the span begins anew, in the other's trace. The one that never ends is never exported."""
        self._leave()
        self._begin(session_id)
        self._span.set_attribute("earful.attempt", attempt)

    def answered(self, lag_s: float) -> None:
        """See `Trace`."""
        self._lag_s = lag_s

    def told(self, index: int, start_ms: int, end_ms: int, reason: str) -> None:
        """See `Trace`: an event of the span, unless it is only the last answer to a `stop` in silence."""
        if start_ms == end_ms or not self._span.is_recording():
            return
        about: dict[str, Any] = {"index": index, "start_ms": start_ms, "end_ms": end_ms, "reason": reason}
        lag_s, self._lag_s = self._lag_s, None
        if lag_s is not None:
            about["lag_ms"] = round(lag_s * 1000)
        self._span.add_event("utterance", about)

    def note(self, **numbers: float) -> None:
        """See `Trace`: attributes of the span."""
        self._span.set_attributes({f"earful.{name}": number for name, number in numbers.items()})

    def end(self, reason: str, *, failed: bool) -> None:
        """See `Trace`."""
        self._leave()
        self._span.set_attribute("earful.reason", reason)
        if failed:
            self._span.set_attribute("error.type", reason)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def _begin(self, session_id: str) -> None:
        self._session_id = session_id
        self._span = self._tracer.begin(self._name, session_id, self._parent, self._began_ns)
        self._tracer.spans[session_id] = self._span

    def _leave(self) -> None:
        """Be no parent any more, unless a newer connection of the session has taken the place."""
        if self._tracer.spans.get(self._session_id) is self._span:
            del self._tracer.spans[self._session_id]


def _context_of(parent: TraceParent | None) -> Context:
    """Where a span belongs; never where somebody else's span of this process happens to be open."""
    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    caller = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _resource(worker_id: str) -> Resource:
    """Who tells: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, over our own names."""
    ours: dict[str, Any] = {SERVICE_NAME: "earful", SERVICE_VERSION: __version__, SERVICE_INSTANCE_ID: worker_id}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})
