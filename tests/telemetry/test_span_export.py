"""Spans on their way out: never more than the bound, counted where they are lost, and nobody waits for them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from tests.support.spans import Studio

from earful.telemetry.span_export import MAX_QUEUE_SIZE
from earful.telemetry.tracing import CLOSE_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan


class Stuck(SpanExporter):
    """Exports nothing before its gate opens, and then says so or raises."""

    def __init__(self, answer: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.gate = threading.Event()
        self.answer = answer
        self.exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait, and answer."""
        self.gate.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        self.exported += len(spans)
        return self.answer

    def shutdown(self) -> None:
        """Wait no more."""


def sing(studio: Studio, sessions: int) -> None:
    """So many sessions, begun and ended."""
    for nth in range(sessions):
        studio.tracer.session(str(nth), None).end("stop", failed=False)


def test_what_a_stuck_exporter_does_not_take_is_dropped_and_counted() -> None:
    """At the default bound, the newest; those before are delivered when it goes on."""
    stuck = Stuck()
    studio = Studio(exporter=stuck)
    sing(studio, MAX_QUEUE_SIZE + 10)
    assert (10, 10) == (studio.export.dropped, studio.tracer.lost)
    stuck.gate.set()
    studio.close()
    assert (MAX_QUEUE_SIZE, 10) == (stuck.exported, studio.tracer.lost)


@pytest.mark.parametrize(("said", "room"), [("600", 600), ("many", MAX_QUEUE_SIZE)])
def test_the_bound_is_the_standard_variable_s(said: str, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the default, where that is no number."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", said)
    stuck = Stuck()
    studio = Studio(exporter=stuck)
    sing(studio, room + 3)
    assert 3 == studio.export.dropped
    stuck.gate.set()
    studio.close()


@pytest.mark.parametrize("answer", [SpanExportResult.FAILURE, OSError("no route")])
def test_what_an_exporter_gives_up_is_counted(answer: SpanExportResult | Exception) -> None:
    """And there is room again."""
    stuck = Stuck(answer)
    stuck.gate.set()
    studio = Studio(exporter=stuck)
    sing(studio, 7)
    studio.close()
    assert (7, 0, 7) == (studio.export.undelivered, studio.export.dropped, studio.tracer.lost)


def test_the_end_waits_for_no_exporter() -> None:
    """What is left then is lost, and said."""
    stuck = Stuck()
    studio = Studio(exporter=stuck)
    sing(studio, 5)
    began = time.monotonic()
    studio.close()
    assert CLOSE_WITHIN_S <= time.monotonic() - began < CLOSE_WITHIN_S + 3
    assert [5] == [line["lost"] for line in studio.log.all_of("spans were lost")]
    stuck.gate.set()
