"""Spans by OpenTelemetry: which there are, whose they are, what stands in them, and what never does."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from tests.support.inside import Record
from tests.support.spans import Studio

from earful.errors import ErrorCode
from earful.settings import SettingsError
from earful.telemetry import otel
from earful.telemetry.otel import TELL_EVERY_S, CallSampler, OtelTracer
from earful.telemetry.traceparent import TraceParent, trace_id_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

CALLER = TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
DEAF = TraceParent(CALLER.trace_id, CALLER.span_id, sampled=False)


def trace_of(span: ReadableSpan) -> str:
    """Its trace id, in hex."""
    return f"{span.context.trace_id:032x}"


def about(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})


def test_a_session_is_one_span() -> None:
    """Of the server's kind, in a trace made of its id, with why it ended and what it amounted to."""
    studio = Studio()
    trace = studio.tracer.session("one", None)
    trace.note(audio_ms=1500, model_s=0.25)
    trace.end("stop", failed=False)
    (span,) = studio.close()
    assert ("session", SpanKind.SERVER, StatusCode.UNSET) == (span.name, span.kind, span.status.status_code)
    assert (trace_id_of("one"), None) == (trace_of(span), span.parent)
    wanted = {"session.id": "one", "earful.audio_ms": 1500, "earful.model_s": 0.25, "earful.reason": "stop"}
    assert wanted == about(span)
    assert ("earful", "a-worker") == (
        span.resource.attributes["service.name"],
        span.resource.attributes["service.instance.id"],
    )


def test_a_failed_session_is_an_error() -> None:
    """Named by the reason."""
    studio = Studio()
    studio.tracer.session("one", None).end("slow_reader", failed=True)
    (span,) = studio.close()
    assert (StatusCode.ERROR, "slow_reader") == (span.status.status_code, about(span)["error.type"])


def test_utterances_are_events() -> None:
    """With places, reason and, where the model was asked, the lag; each lag is one utterance's."""
    studio = Studio()
    trace = studio.tracer.session("one", None)
    trace.answered(0.0634)
    trace.told(0, 200, 1900, "silence")
    trace.told(1, 2000, 2500, "stop")
    trace.end("stop", failed=False)
    (span,) = studio.close()
    wanted = [
        {"index": 0, "start_ms": 200, "end_ms": 1900, "reason": "silence", "lag_ms": 63},
        {"index": 1, "start_ms": 2000, "end_ms": 2500, "reason": "stop"},
    ]
    assert wanted == [dict(event.attributes or {}) for event in span.events]
    assert {"utterance"} == {event.name for event in span.events}


@pytest.mark.parametrize("begin", [OtelTracer.session, OtelTracer.upload])
def test_a_caller_s_trace_is_gone_on_with(begin: Any) -> None:
    """Its span is the parent."""
    studio = Studio()
    begin(studio.tracer, "one", CALLER).end("done", failed=False)
    (span,) = studio.close()
    assert span.parent is not None
    assert (CALLER.trace_id, CALLER.span_id) == (trace_of(span), f"{span.parent.span_id:016x}")
    assert span.parent.is_remote


def test_what_the_caller_does_not_record_is_not_recorded_here() -> None:
    """Neither the session nor its model calls."""
    studio = Studio()
    trace = studio.tracer.session("one", DEAF)
    studio.tracer.model_called("one", 0.05, None)
    trace.told(0, 0, 100, "stop")
    trace.end("stop", failed=False)
    assert [] == studio.close()


def test_connections_of_a_session_share_a_trace() -> None:
    """On any worker: the resumed one's span begins with its connection, and the one that is left is not told."""
    first, second = Studio(), Studio()
    first.tracer.session("one", None).end("connection_lost", failed=False)
    resumed = second.tracer.session("two", None)
    resumed.resumed("one", 3)
    second.tracer.model_called("one", 0.05, None)
    resumed.end("stop", failed=False)
    (before,), (call, after) = first.close(), second.close()
    assert {trace_id_of("one")} == {trace_of(span) for span in (before, call, after)}
    assert ("one", 3) == (about(after)["session.id"], about(after)["earful.attempt"])
    assert before.context.span_id != after.context.span_id
    assert {} == second.tracer.spans


def test_who_resumes_in_a_caller_s_trace_stays_there() -> None:
    """The client says which."""
    studio = Studio()
    trace = studio.tracer.session("two", CALLER)
    trace.resumed("one", 1)
    trace.end("stop", failed=False)
    (span,) = studio.close()
    assert CALLER.trace_id == trace_of(span)


def test_a_newer_connection_of_a_session_takes_its_model_calls() -> None:
    """Also when the older one ends after it has begun."""
    studio = Studio()
    older, newer = studio.tracer.session("one", None), studio.tracer.session("two", None)
    newer.resumed("one", 1)
    older.end("superseded", failed=False)
    studio.tracer.model_called("one", 0.05, None)
    newer.end("stop", failed=False)
    _, call, session = studio.close()
    assert call.parent is not None
    assert session.context.span_id == call.parent.span_id


@pytest.mark.parametrize(("failure", "status"), [(None, StatusCode.UNSET), (ErrorCode.MODEL_FAILED, StatusCode.ERROR)])
def test_model_calls_are_children_of_their_session(failure: ErrorCode | None, status: StatusCode) -> None:
    """As long as they took, and with what failed."""
    studio = Studio()
    trace = studio.tracer.session("one", None)
    studio.tracer.model_called("one", 0.25, failure)
    trace.end("stop", failed=False)
    studio.tracer.model_called("one", 0.25, failure)
    call, session = studio.close()
    assert call.parent is not None
    assert ("model call", session.context.span_id) == (call.name, call.parent.span_id)
    assert 250_000_000 == (call.end_time or 0) - (call.start_time or 0)
    assert status == call.status.status_code
    assert (failure and failure.value) == about(call).get("error.type")


def test_store_turns_are_traces_of_their_own() -> None:
    """With the cause where they failed."""
    studio = Studio()
    studio.tracer.store_asked(0.002, "")
    studio.tracer.store_asked(0.25, "TimeoutError")
    well, late = studio.close()
    assert {("store turn", SpanKind.CLIENT, None)} == {(span.name, span.kind, span.parent) for span in (well, late)}
    assert (None, "TimeoutError") == (about(well).get("error.type"), about(late).get("error.type"))
    assert trace_of(well) != trace_of(late)


def test_no_call_is_a_span_where_none_is_to_be() -> None:
    """A share of nothing."""
    studio = Studio(calls_percent=0)
    trace = studio.tracer.session("one", None)
    assert studio.tracer.model_called("one", 0.05, None) > 1 << 50
    for _ in range(1000):
        studio.tracer.store_asked(0.05, "")
    trace.end("stop", failed=False)
    assert ["session"] == [span.name for span in studio.close()]


@pytest.mark.parametrize("percent", [0.1, 1, 10, 50, 99.9])
def test_the_share_is_kept(percent: float) -> None:
    """Within five deviations; and without a rhythm that sessions in step could fall into."""
    calls = 200_000
    sampler = CallSampler(percent, random.Random(7))  # noqa: S311 - for tests
    taken = [nth for nth in range(calls) if sampler.takes()]
    wanted = calls * percent / 100
    assert abs(wanted - len(taken)) < 5 * math.sqrt(wanted)
    assert len({later - earlier for earlier, later in pairwise(taken)}) > 1


def test_of_model_calls_the_engine_is_told_the_distances() -> None:
    """The first it tells of is only the beginning; then each is a span."""
    studio = Studio(calls_percent=1)
    trace = studio.tracer.session("one", None)
    gaps = [studio.tracer.model_called("one", 0.05, None) for _ in range(300)]
    trace.end("stop", failed=False)
    assert 50 < sum(gaps) / len(gaps) < 200
    assert len(studio.close()) in {300, 301}


@pytest.mark.parametrize(("percent", "taken"), [(0, 0), (100, 1000)])
def test_all_and_none_are_exact(percent: float, taken: int) -> None:
    """No chance in it."""
    sampler = CallSampler(percent)
    assert taken == sum(sampler.takes() for _ in range(1000))


def test_what_was_lost_is_said_once_a_minute() -> None:
    """And at the end, where more was."""
    studio = Studio()
    studio.tracer.sweep(0)
    studio.export.dropped = 3
    for now in (1, 2, TELL_EVERY_S):
        studio.tracer.sweep(now)
    studio.export.dropped = 5
    studio.tracer.sweep(TELL_EVERY_S + 0.5)
    studio.tracer.sweep(TELL_EVERY_S + 1)
    studio.tracer.sweep(TELL_EVERY_S + 2)
    studio.export.dropped = 6
    studio.close()
    assert [3, 5, 6] == [line["lost"] for line in studio.log.all_of("spans were lost")]


def test_nothing_is_exported_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_TRACES_EXPORTER=none: spans are made, and forgotten."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    tracer = otel.open_tracer(Record(), "a-worker", 1)
    tracer.session("one", None).end("stop", failed=False)
    assert 0 == tracer.lost


def test_an_exporter_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke-signals")
    with pytest.raises(SettingsError, match="'smoke-signals'; no exporter of this name"):
        otel.check_exporter()


def test_variables_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenTelemetry's reason."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20")
    with pytest.raises(SettingsError, match="OTEL_"):
        otel.open_tracer(Record(), "a-worker", 1)


def test_a_service_is_named_as_its_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over our own names."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "captions")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.instance.id=a-pod")
    studio = Studio()
    studio.tracer.session("one", None).end("stop", failed=False)
    (span,) = studio.close()
    told = span.resource.attributes
    assert ("captions", "test", "a-pod") == (
        told["service.name"],
        told["deployment.environment.name"],
        told["service.instance.id"],
    )
