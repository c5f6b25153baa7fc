"""The metrics of one worker as Prometheus text, made when somebody scrapes.

Guarantees that counting costs nothing here: a collector reads the plain numbers of `Metrics` and `Gauges`.
Called by the route `/metrics`. prometheus-client is loaded with this module: import it late.
"""

from __future__ import annotations

import platform
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from earful import __version__
from earful.engine.pool import CAUSES
from earful.errors import ErrorCode
from earful.telemetry import histogram as hot
from earful.telemetry import memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from earful.telemetry.gauges import Gauges
    from earful.telemetry.histogram import Histogram
    from earful.telemetry.metrics import Metrics

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Labels that are shown with zero from the beginning: of a series that begins with 1 no rule sees an increase.
_REFUSALS = (
    ErrorCode.DRAINING,
    ErrorCode.SESSION_LIMIT,
    ErrorCode.OVERLOADED,
    ErrorCode.INTERNAL,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.FORBIDDEN,
    ErrorCode.TENANT_LIMIT,
    ErrorCode.RATE_LIMITED,
)
_REST = (ErrorCode.NOT_AUDIO, ErrorCode.TOO_LARGE, ErrorCode.NO_DECODER, ErrorCode.BAD_REQUEST, ErrorCode.INTERNAL)
_FAILURES = (ErrorCode.MODEL_FAILED, ErrorCode.MODEL_TIMEOUT)
_LEVELS = ("0", "1", "2", "3", "4")
_VERDICTS = ("granted", "superseded", "deleted")


def render(metrics: Metrics, gauges: Gauges) -> bytes:
    """All of a worker's numbers as Prometheus text; its media type is `CONTENT_TYPE`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_WorkerCollector(metrics, gauges))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)


class _WorkerCollector(Collector):
    """Reads a worker's numbers at the moment of the scrape."""

    def __init__(self, metrics: Metrics, gauges: Gauges) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Every metric family, with its values now."""
        yield from self._sessions()
        yield from self._speech()
        yield from self._trouble()
        yield from self._model()
        yield from self._uploads()
        yield from self._store()
        yield from self._process()

    def _sessions(self) -> Iterator[Metric]:
        own, now = self._metrics, self._gauges
        yield _gauge("ready", "Whether the worker wants traffic", now.is_ready)
        yield _gauge("draining", "Whether the worker lets its sessions go", now.is_draining)
        yield _gauge("connections", "Places taken: sessions, handshakes and last words", now.places_taken)
        yield _gauge("connections_max", "Places there are, without the reserve for those who resume", now.places)
        yield _gauges("sessions", "Sessions open now", "state", now.sessions)
        yield _gauge("sessions_held", "Sessions that are not read now: backpressure", now.sessions_held)
        yield _gauge("sessions_unread", "Sessions whose client has not taken all it was sent", now.sessions_unread)
        yield _counter("requests", "Sessions begun and uploads let in", own.total_requests)
        yield _counter("sessions_started", "Sessions let in, resumed ones too", own.sessions_started)
        yield _labelled("sessions_ended", "Sessions ended", "reason", own.sessions_ended)
        yield _labelled("resumes", "Tries to go on with a session", "outcome", own.resumes)

    def _speech(self) -> Iterator[Metric]:
        own, now = self._metrics, self._gauges
        totals = own.of_ended.plus(now.of_live)
        yield _counter("chunks", "Audio chunks received", totals.chunks)
        yield _counter("audio_seconds", "Audio received in sessions", totals.audio_ms / 1000)
        yield _counter("speech_seconds", "Speech found in sessions", totals.speech_ms / 1000)
        yield _counter("partials", "Partials given to sockets", totals.partials)
        yield _counter("partials_dropped", "Partials replaced before they could be sent", totals.partials_dropped)
        yield _counter("finals", "Finals given to sockets", totals.finals)
        yield _histogram("chunk_latency_seconds", "From a chunk's arrival to its answer being sent", own.latency)
        yield _gauge("lag_longest_seconds", "The longest last latency of any open session", now.longest_lag_s)
        yield _gauge("buffered_bytes", "Audio that the model has not heard", now.buffered_bytes)
        yield _gauge("unsent_bytes", "Results that clients have not taken", now.unsent_bytes)

    def _trouble(self) -> Iterator[Metric]:
        own = self._metrics
        yield _gauge("overload_level", "How much is shed, from 0 to 4", self._gauges.level)
        yield _labelled("overload_changes", "Levels of overload entered", "level", own.overload_levels, _LEVELS)
        yield _gauge("accepting", "Whether a balancer should send new sessions", self._gauges.is_accepting)
        yield _labelled("refusals", "Sessions and uploads not let in", "code", own.refusals, _REFUSALS)
        yield _labelled("errors", "Errors told to clients in their sessions", "code", own.errors, ErrorCode)
        yield _labelled("upload_errors", "Uploads let in and answered with an error", "code", own.upload_errors, _REST)

    def _model(self) -> Iterator[Metric]:
        own, now = self._metrics, self._gauges
        yield _labelled("model_failures", "Model calls that failed", "code", own.model_failures, _FAILURES)
        yield _histogram("model_call_seconds", "Time of one model call", own.model_call)
        yield _histogram("batch_size", "Items in a batch model's step", own.batch_size)
        yield _histogram("batch_wait_seconds", "How long the oldest item of a step had waited", own.batch_wait)
        yield _histogram("model_step_seconds", "Time of a batch model's step", own.model_step)
        yield _gauge("model_calls", "Work with the model now", now.model_calls)
        yield _gauge("model_waiting", "Work that waits for the model", now.model_waiting)
        yield _gauge("model_orphans", "Model calls that were given up and have not ended", now.model_orphans)
        yield _counter("model_replaced", "Model objects lost to a failure", now.model_replaced)
        if now.loop_load is not None:
            yield _gauge("loop_load", "Share of the event loop's time that the sessions there take", now.loop_load)
        if now.model_load is not None:
            yield _gauge("model_load", "Share of the model's time that the sessions there take", now.model_load)
        yield _gauge("model_processes", "Processes of the model that take work", now.model_processes)
        ends = now.model_process_ends
        yield _labelled("model_process_ends", "Processes of the model that were followed", "cause", ends, CAUSES)
        yield _counter("model_replays", "Utterances run again in another process", now.model_replays)
        yield _gauge("model_kept_bytes", "Audio kept for running utterances again", now.model_kept_bytes)

    def _uploads(self) -> Iterator[Metric]:
        own = self._metrics
        yield _gauge("uploads_active", "Uploads under way", self._gauges.uploads)
        yield _counter("uploads", "Uploads let in", own.uploads_started)
        yield _counter("uploads_left", "Uploads whose client had gone before the answer", own.uploads_left)
        yield _counter("upload_audio_seconds", "Audio of uploads that were answered", own.upload_audio_ms / 1000)
        yield _histogram("upload_seconds", "Time to answer an upload", own.upload)

    def _store(self) -> Iterator[Metric]:
        own = self._metrics
        yield _labelled("claims", "Starts and resumes that asked for their session", "verdict", own.claims, _VERDICTS)
        yield _counter("claims_undecided", "Of them, those the store could not be asked about", own.claims_undecided)
        if own.store_is_up is not None:
            yield _gauge("store_up", "Whether the shared store answers", own.store_is_up)
            yield _histogram("store_exchange_seconds", "Time of a worker's word with the store", own.exchange)

    def _process(self) -> Iterator[Metric]:
        own, memory_now = self._metrics, memory.look()
        yield _histogram("event_loop_lag_seconds", "How late the event loop woke the sweep", own.loop_lag)
        yield _gauge("event_loop_lag_max_seconds", "The longest of the last 60 s", own.worst_loop_lag_s)
        yield _counter("log_lines_dropped", "Log lines that could not be written", own.log_lines_dropped())
        yield _counter("spans_lost", "Spans that were dropped or could not be delivered", own.spans_lost())
        yield _gauge("memory_used_bytes", "Memory in use in the container or machine", memory_now.used_bytes)
        yield _gauge("memory_limit_bytes", "Memory that the container or machine has", memory_now.limit_bytes)
        build = GaugeMetricFamily("earful_build_info", "What runs", labels=["version", "python", "compiled"])
        is_compiled = not str(hot.__file__).endswith(".py")
        build.add_metric([__version__, platform.python_version(), str(is_compiled).lower()], 1)
        yield build


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"earful_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"earful_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, table: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"earful_{name}", text, labels=[label])
    for value, count in table.items():
        family.add_metric([value], count)
    return family


def _labelled(
    name: str, text: str, label: str, table: Mapping[str, int], known: Iterable[str] = ()
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"earful_{name}", text, labels=[label])
    for value, count in {**{str(value): 0 for value in known}, **table}.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [*map(str, histogram.bounds_s), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
    return HistogramMetricFamily(f"earful_{name}", text, buckets=buckets, sum_value=histogram.total_s)
