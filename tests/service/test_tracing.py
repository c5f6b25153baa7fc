"""What the tracer is told of sessions: when they begin and end, their utterances, which go on with which."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from tests.service.company import cursor_of, resume
from tests.service.worker import registered
from tests.support.inside import Record
from tests.support.spans import Studio
from tests.support.speech import SENTENCE, finals, of_type, pieces
from tests.support.wire import RecordingWire

from earful.errors import EarfulError, ErrorCode
from earful.service.departure import ClientGoneError
from earful.service.origin import Origin
from earful.service.upload_account import account_of
from earful.telemetry.events import Events
from earful.telemetry.traceparent import TraceParent, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.sdk.trace import ReadableSpan

    from earful.service.registry import Registry

CALLER = TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
HOME = Origin(parent=CALLER)
PIECES = tuple(pieces(SENTENCE))


def traced(scenario: Callable[[Registry], Awaitable[None]]) -> tuple[list[ReadableSpan], Record]:
    """Run a scenario with a registry that tells its traces; the spans, and the log."""
    studio = Studio()

    async def run(registry: Registry) -> None:
        registry.tracer = studio.tracer
        await scenario(registry)

    log = registered(run)
    assert {} == studio.tracer.spans
    return studio.close(), log


async def sentence(registry: Registry, session_id: str, first: str | None = None) -> RecordingWire:
    """A session that says a sentence and stops, from first to last."""
    wire = RecordingWire()
    connection = registry.connect(session_id, wire, HOME)
    if first is not None:
        connection.message(first)
    for piece in PIECES:
        connection.message(json.dumps({"type": "audio_chunk", "data": base64.b64encode(piece).decode()}))
        await asyncio.sleep(0.1)
    connection.message('{"type":"stop"}')
    await asyncio.sleep(10)
    return wire


@pytest.mark.parametrize("first", [None, '{"type":"start"}'], ids=["plain", "start"])
def test_a_session_is_a_span_with_its_utterances(first: str | None) -> None:
    """Each final that says something is an event, with the lag; how often it was asked of makes no difference."""
    wires: list[RecordingWire] = []

    async def scenario(registry: Registry) -> None:
        wires.append(await sentence(registry, "one", first))

    (span,), _ = traced(scenario)
    about: dict[str, Any] = dict(span.attributes or {})
    wanted = [(index, start, end, why) for index, _, start, end, why in finals(wires[0].sent) if start < end]
    events: list[dict[str, Any]] = [dict(event.attributes or {}) for event in span.events]
    assert wanted
    assert wanted == [(event["index"], event["start_ms"], event["end_ms"], event["reason"]) for event in events]
    assert all(0 <= event["lag_ms"] < 1000 for event in events)
    assert ("stop", len(PIECES)) == (about["earful.reason"], about["earful.chunks"])
    assert CALLER.trace_id == f"{span.context.trace_id:032x}"


def test_nothing_that_was_said_is_told() -> None:
    """Nor any token: of texts there are only ids, reasons and names."""

    async def scenario(registry: Registry) -> None:
        await sentence(registry, "one", '{"type":"start"}')

    (span,), _ = traced(scenario)
    texts = [value for value in (span.attributes or {}).values() if isinstance(value, str)]
    texts += [value for event in span.events for value in (event.attributes or {}).values() if isinstance(value, str)]
    assert {"one", "stop", "silence"} >= set(texts)


def test_a_session_and_its_resumption_share_a_trace() -> None:
    """Two connections, two spans, and the second says which session it is; the log's lines are of the same trace."""

    async def scenario(registry: Registry) -> None:
        wire, again = RecordingWire(), RecordingWire()
        registry.connect("one", wire).message('{"type":"start"}')
        registry.connect("slot", again).message(resume(cursor_of(wire)))
        assert [] != of_type("resumed", again.sent) or [] != of_type("started", again.sent)
        registry.connections["one"].lost("peer_closed")

    (older, newer), log = traced(scenario)
    assert {int(trace_id_of("one"), 16)} == {older.context.trace_id, newer.context.trace_id}
    assert {trace_id_of("one")} == {line["trace_id"] for line in log.events if line.get("session") == "one"}
    reasons = [(span.attributes or {})["earful.reason"] for span in (older, newer)]
    assert ["superseded", "peer_closed"] == reasons
    assert ("one", 1) == ((newer.attributes or {})["session.id"], (newer.attributes or {})["earful.attempt"])


@pytest.mark.parametrize(
    ("failure", "reason", "status"),
    [
        (None, "done", StatusCode.UNSET),
        (EarfulError(ErrorCode.TOO_LARGE), "too_large", StatusCode.ERROR),
        (ZeroDivisionError(), "internal", StatusCode.ERROR),
        (ClientGoneError(), "connection_lost", StatusCode.UNSET),
    ],
)
def test_an_upload_is_a_span(failure: Exception | None, reason: str, status: StatusCode) -> None:
    """In its caller's trace, with what ended it."""
    studio = Studio()
    with suppress(EarfulError, ZeroDivisionError), account_of(Events(Record()), HOME, studio.tracer) as account:
        account.begins()
        if failure is not None:
            raise failure
    (span,) = studio.close()
    assert ("upload", status, CALLER.trace_id) == (span.name, span.status.status_code, f"{span.context.trace_id:032x}")
    assert {"session.id", "earful.reason"} <= set(span.attributes or {})
    assert reason == (span.attributes or {})["earful.reason"]


def test_an_upload_that_is_not_let_in_is_none() -> None:
    """It never began."""
    studio = Studio()
    with suppress(EarfulError), account_of(Events(Record()), HOME, studio.tracer):
        raise EarfulError(ErrorCode.OVERLOADED)
    assert [] == studio.close()
