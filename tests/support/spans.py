"""Traces kept in memory, and a receiver of them over OTLP/HTTP as a collector is: what a test looks at."""

from __future__ import annotations

import asyncio
import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.support.http_thread import Quiet, serving
from tests.support.inside import Record

from earful.telemetry.otel import CallSampler, OtelTracer
from earful.telemetry.span_export import BoundedExport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter


class Studio:
    """A tracer whose spans stay here."""

    def __init__(self, calls_percent: float = 100, exporter: SpanExporter | None = None) -> None:
        self.log = Record()
        self._memory = InMemorySpanExporter()
        self.export = BoundedExport(exporter or self._memory)
        calls = CallSampler(calls_percent)
        self.tracer = OtelTracer(self.export, self.log, "a-worker", calls, calls)

    def close(self) -> list[ReadableSpan]:
        """End it; the spans that were exported, in the order of their ends."""
        asyncio.run(self.tracer.close())
        return list(self._memory.get_finished_spans())


@dataclass(slots=True)
class Collector:
    """What was posted; `status` is the answer to it, once `gate` is open."""

    port: int
    status: int = 200
    gate: threading.Event = field(default_factory=threading.Event)
    bodies: list[ExportTraceServiceRequest] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is to be."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Any]:
        """All spans so far, as they travel."""
        resources = [resource for body in tuple(self.bodies) for resource in body.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    @property
    def workers(self) -> set[str]:
        """The ids of those that sent any."""
        resources = [resource for body in tuple(self.bodies) for resource in body.resource_spans]
        return {attributes(resource.resource)["service.instance.id"] for resource in resources}


def attributes(bearer: Any) -> dict[str, Any]:
    """Attributes of a span, an event or a resource, as they travel."""
    kinds = ("string_value", "int_value", "double_value", "bool_value")
    values = {pair.key: pair.value for pair in bearer.attributes}
    return {key: next(getattr(value, kind) for kind in kinds if value.HasField(kind)) for key, value in values.items()}


@contextmanager
def collecting(*, is_open: bool = True) -> Iterator[Collector]:
    """A receiver on a free port while the scope lasts; one that is not open answers nobody until its gate is."""
    with serving(_receiver(lambda: collector)) as port:
        collector = Collector(port)
        if is_open:
            collector.gate.set()
        try:
            yield collector
        finally:
            collector.gate.set()


def _receiver(collector: Callable[[], Collector]) -> type[Quiet]:
    class Receiver(Quiet):
        protocol_version = "HTTP/1.1"

        def asked(self) -> None:
            """Take it in and say so."""
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            here = collector()
            here.gate.wait(30)
            here.paths.add(self.path)
            here.bodies.append(ExportTraceServiceRequest.FromString(body))
            self.close_connection = True
            try:
                self.answer(here.status)
            except OSError:
                """Whoever asked has given up."""

    return Receiver
