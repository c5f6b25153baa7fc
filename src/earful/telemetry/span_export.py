"""Spans on their way out: OpenTelemetry's batches and its thread, behind a bound that counts what it turns away.

Guarantees that ending a span takes no wait and keeps at most OTEL_BSP_MAX_QUEUE_SIZE of them (default 2048); the
newest are dropped where the receiver does not keep up. Used by `otel.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_QUEUE_SIZE = 2048


class CountedExporter(SpanExporter):
    """An exporter, and how many spans it is done with. Called by the batches' thread alone."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Export by `exporter`."""
        self._exporter = exporter
        self.done = 0
        self.undelivered = 0
        """Of them: those that the exporter gave up."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """What the exporter makes of it."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if result is not SpanExportResult.SUCCESS:
                self.undelivered += len(spans)
            self.done += len(spans)
        return result

    def shutdown(self) -> None:
        """End the exporter, and what it waits for."""
        self._exporter.shutdown()


class BoundedExport(SpanProcessor):
    """Takes spans that have ended, while there is room."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Export by `exporter`, in batches as the OTEL_BSP_* variables say."""
        self._exporter = CountedExporter(exporter)
        self._batches = BatchSpanProcessor(self._exporter)
        self._room = _room()
        self._taken = 0
        self.dropped = 0

    @property
    def undelivered(self) -> int:
        """Spans that were taken, and lost on their way."""
        return self._exporter.undelivered

    def on_end(self, span: ReadableSpan) -> None:
        """Take or drop."""
        if not span.context.trace_flags.sampled:
            return
        if self._taken - self._exporter.done >= self._room:
            self.dropped += 1
        else:
            self._taken += 1
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Export what is left, and end; takes as long as the exporter does."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry has no types here

    def give_up(self) -> None:
        """Nobody waits any longer: what is not delivered is lost."""
        self.dropped += self._taken - self._exporter.done
        self._taken = self._exporter.done


def _room() -> int:
    """How many spans may wait, read as OpenTelemetry does: what is no number it ignores, and says so."""
    try:
        return int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE, MAX_QUEUE_SIZE))
    except ValueError:
        return MAX_QUEUE_SIZE
