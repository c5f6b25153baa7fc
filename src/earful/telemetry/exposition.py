"""The metrics of one worker as Prometheus text, made when somebody scrapes.

Guarantees that counting costs nothing here: a collector reads the plain numbers of `Metrics`.
Called by the route `/metrics`. prometheus-client is loaded with this module: import it late.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from earful.telemetry.histogram import Histogram
    from earful.telemetry.metrics import Metrics

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(metrics: Metrics) -> bytes:
    """All counters as Prometheus text; its media type is `CONTENT_TYPE`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_WorkerCollector(metrics))
    return generate_latest(registry)


class _WorkerCollector(Collector):
    """Reads a worker's counters at the moment of the scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Every metric family, with its values now."""
        own = self._metrics
        yield _counter("sessions_started", "Sessions let in", own.sessions_started)
        yield _counter("sessions_resumed", "Sessions let in that had begun before", own.sessions_resumed)
        yield _labelled("sessions_ended", "Sessions ended", "reason", own.sessions_ended)
        yield GaugeMetricFamily("earful_sessions_active", "Sessions open now", value=own.active_sessions)
        yield _labelled("refusals", "Sessions and uploads not let in", "code", own.refusals)
        yield _counter("uploads", "Uploads let in", own.uploads_started)
        yield _counter("chunks", "Audio chunks received", own.chunks)
        yield _counter("audio_seconds", "Audio received", own.audio_ms / 1000)
        yield _counter("speech_seconds", "Audio given to the model", own.speech_ms / 1000)
        yield _counter("partials", "Partials sent", own.partials)
        yield _counter("finals", "Finals sent", own.finals)
        yield _labelled("errors", "Errors told to clients", "code", own.errors)
        yield _labelled("model_failures", "Model calls that failed", "code", own.model_failures)
        yield _histogram("model_call_seconds", "Time of one model call", own.model_call)
        yield _histogram("batch_size", "Items in a batch model's step", own.batch_size)
        yield _histogram("batch_wait_seconds", "How long the oldest item of a step had waited", own.batch_wait)
        yield _histogram("model_step_seconds", "Time of a batch model's step", own.model_step)
        yield _histogram("chunk_latency_seconds", "From a chunk's arrival to its answer being sent", own.latency)
        yield _histogram("upload_seconds", "Time to answer an upload", own.upload)
        yield _labelled("claims", "Starts and resumes that asked for their session", "verdict", own.claims)
        yield _counter(
            "claims_undecided", "Of them, those that the store could not be asked about", own.claims_undecided
        )
        if own.store_is_up is not None:
            yield GaugeMetricFamily("earful_store_up", "Whether the shared store answers", value=own.store_is_up)
            yield _histogram("store_exchange_seconds", "Time of a worker's word with the store", own.exchange)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"earful_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, table: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"earful_{name}", text, labels=[label])
    for value, count in table.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [*map(str, histogram.bounds_s), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
    return HistogramMetricFamily(f"earful_{name}", text, buckets=buckets, sum_value=histogram.total_s)
